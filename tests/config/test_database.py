"""What connections to PostgreSQL are told, and what is said where it does not answer in time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from config.accounts.models import User
from config.accounts.roles import Role
from config.core.database_errors import as_busy
from config.core.database_limits import UNLIMITED, Limits
from tests.factories import accounts

ROOT = Path(__file__).resolve().parents[2]
SHOW = (
    "from django.db import connection\n"
    "with connection.cursor() as c:\n"
    "  for n in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'):\n"
    "    c.execute(f'SHOW {n}'); print(c.fetchone()[0], end=' ')\n"
)
# Enough for a worker, whose connections are made as those of the web are.
READ = (
    "from django.conf import settings\nprint(settings.DATABASES['default']['OPTIONS']['options'])\n"
)


@pytest.mark.django_db
def test_a_transaction_that_hangs_lets_go_of_its_locks() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("30s",)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (f"import config.asgi\n{SHOW}", "7s 3s 30s"),
        (
            f"import config.celery\n{READ}",
            "-c idle_in_transaction_session_timeout=30000 -c statement_timeout=660000 "
            "-c lock_timeout=60000",
        ),
    ],
    ids=["web", "worker"],
)
def test_each_kind_of_process_has_its_limits(program: str, told: str) -> None:
    environment = {
        **os.environ,
        "WEB_STATEMENT_SECONDS": "7",
        "WEB_LOCK_SECONDS": "3",
        "WORKER_STATEMENT_SECONDS": "660",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == told


def test_commands_of_people_have_none() -> None:
    assert settings.FORMULARY_PROCESS == "command"
    assert "statement_timeout" not in UNLIMITED.options()
    assert "lock_timeout" not in UNLIMITED.options()


@pytest.mark.parametrize("seconds", [-1.0, 0.0001, 1e9, float("nan")])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Limits(statement_seconds=seconds, lock_seconds=1)


@contextmanager
def _held(table: str) -> Iterator[None]:
    """Somebody else holds the whole table; we give up after 50 ms."""
    with psycopg.connect(_address()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


def _address() -> str:
    given = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        host=given["HOST"], port=given["PORT"], dbname=given["NAME"], user=given["USER"],
        password=given["PASSWORD"],
    )  # fmt: skip


@pytest.fixture
def operator(transactional_db: None) -> User:
    return accounts.user(Role.OPERATOR, Role.ML_ENGINEER)


@pytest.fixture
def impatient(operator: User) -> Iterator[Any]:
    """Sets a limit for the connections that the requests of this test open."""
    before = connection.settings_dict["OPTIONS"]["options"]

    def limit(name: str) -> None:
        _reconnect_with(f"-c {name}=50")

    yield limit
    # Before anything else is taken down: emptying the tables takes longer on a busy machine.
    _reconnect_with(before)


def _reconnect_with(told: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["OPTIONS"]["options"] = told


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_a_busy_database_is_503_in_the_shape_of_each_contract(
    operator: User, impatient: Any, limit: str
) -> None:
    bearer = {"authorization": f"Bearer {accounts.token_text(operator)}"}
    client = Client(headers=bearer)
    impatient(limit)
    with _held("registry_adapter, deliveries_loraentry, serving_node"):
        answer = client.get("/api/v1/adapters")
        manager = client.get("/manager/adapters")
        hub = client.get("/api/models")
    for told in (answer, manager, hub):
        assert told.status_code == 503, told.content
        assert told["Retry-After"] == "5"
        assert told.json()["code"] == "database-busy"
    assert manager.json()["invalid_params"] == []
    assert "error" in hub.json()


def test_a_page_says_so_too(operator: User, impatient: Any) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    impatient("lock_timeout")
    with _held("serving_node"):
        answer = client.get("/console/nodes/", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert "The database is busy" in answer.content.decode()


def test_faults_of_ours_stay_faults() -> None:
    assert as_busy(ValueError("x")) is None
    assert as_busy(OperationalError("server closed the connection")) is not None
