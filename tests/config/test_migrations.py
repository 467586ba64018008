"""Migrations go forth, back to nothing and forth again, on both databases."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.databases import await_template
from tests.faults.adapters import write_adapter
from tests.faults.tiny_base import write_base

# One state folder is migrated for all of them.
pytestmark = pytest.mark.xdist_group("migrations")
ROOT = Path(__file__).resolve().parents[2]
BACK_AND_FORTH = """
import gc
# Each migration's models are rings of classes, ten thousand in all: to look often for the dead ones
# takes a quarter of the time.
gc.set_threshold(100_000, 50, 1000)

import django
django.setup()
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

OURS = ("deliveries", "serving", "compliance", "registry", "accounts")

def leftovers():
    with connection.cursor() as cursor:
        tables = {name for name in connection.introspection.table_names(cursor)}
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION "
                           "SELECT proname FROM pg_proc WHERE proname LIKE 'formulary%'")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        made = {row[0] for row in cursor.fetchall()}
    return made | {name for name in tables if name.split("_")[0] in OURS}

call_command("migrate", verbosity=0)
first = leftovers()
assert len(first) > 30, first
for room in OURS:
    if apps.get_app_config(room).models_module and any(apps.get_app_config(room).get_models()):
        call_command("migrate", room, "zero", verbosity=0)
assert not leftovers(), leftovers()
assert not MigrationRecorder(connection).migration_qs.filter(app__in=OURS).exists()
call_command("migrate", verbosity=0)
assert leftovers() == first
print(connection.vendor, len(first))
"""


def _run(arguments: list[str], home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            **kept,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FORMULARY_HOME": str(home),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def migrated_postgres() -> Iterator[str]:
    """A database of its own: migrated where this session has a template, else empty."""
    url, name = os.environ["DATABASE_URL"], f"back_and_forth_{os.getpid()}"
    template = sql.Identifier(await_template() or "template1")
    with psycopg.connect(url, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(name), template))
        yield f"{url.rpartition('/')[0]}/{name}"
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose database ``migrate`` has made, without a DATABASE_URL."""
    home = tmp_path_factory.mktemp("migrated") / "state"
    home.mkdir()
    ended = _run(["manage.py", "migrate", "--no-input", "--verbosity", "0"], home)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return home


@pytest.fixture
def home(migrated_home: Path, tmp_path: Path) -> Path:
    """A test's own copy of it."""
    return Path(shutil.copytree(migrated_home, tmp_path / "state"))


def test_migrations_are_reversible_on_postgresql_L19_L23(
    tmp_path: Path, migrated_postgres: str
) -> None:
    ended = _run(["-c", BACK_AND_FORTH], tmp_path, DATABASE_URL=migrated_postgres)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.startswith("postgresql")


def test_migrations_are_reversible_on_sqlite_L23(home: Path) -> None:
    ended = _run(["-c", BACK_AND_FORTH], home)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.startswith("sqlite")


def test_migrate_and_check_adapter_need_no_database_url_L17(home: Path, tmp_path: Path) -> None:
    """A registered base by its name, in the SQLite file that the state folder holds."""
    assert (home / "formulary.sqlite3").is_file()
    base = write_base(tmp_path / "tiny-llama")
    adapter = write_adapter(tmp_path / "adapter")
    for arguments in (
        ["import_base", str(base), "--slug", "tiny-llama"],
        ["check_adapter", str(adapter), "--base", "tiny-llama"],
    ):
        ended = _run(["manage.py", *arguments], home)
        assert ended.returncode == 0, ended.stderr[-3000:]
    assert "Verdict: nothing blocks" in ended.stdout
