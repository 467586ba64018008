"""Starts a real PostgreSQL and a real Redis for the tests, before Django reads its settings.

Loaded by ``addopts = -p tests.plugin``: a conftest would be too late. Only the controlling
process starts servers; pytest-xdist's workers inherit its environment and take a Redis database
each. With DATABASE_URL and REDIS_URL set, the tests run on those servers instead.
"""

import atexit
import gc
import os
import shutil
import socketserver
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import certifi
import hypothesis
import psycopg
import pytest
import redis

from tests import databases

ROOT = Path(__file__).resolve().parent.parent

# Until everything is collected nearly nothing of what is made is garbage: see below.
gc.disable()

# What a helper requires is told with its values, as a test's own is.
pytest.register_assert_rewrite("tests.kills", "tests.flows", "tests.pairings")


# What takes minutes on one worker begins first, the longest at the head: else the session's end is
# one worker at work and the others idle.
LONG = (
    "tests/kills/test_memory.py",
    "tests/browser/",
    "tests/flows/",
    "tests/kills/test_torch.py",
    "tests/serving/services/test_flow.py",
    "tests/pairings/",
    "tests/config/test_migrations.py",
    "tests/serving/hub/test_peft.py",
    "tests/config/test_hostile_routes.py",
    "tests/compliance/checks/test_package_report.py",
    "tests/simulation/",
)


# The standard library's servers send an answer in two parts; the second would wait 40 ms for the
# other side's acknowledgement of the first.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# How long an example takes says how busy the machine is, and nothing about the product.
hypothesis.settings.register_profile("formulary", deadline=None)
hypothesis.settings.load_profile("formulary")


def _start_services() -> None:
    home = Path(tempfile.mkdtemp(prefix="formulary-tests-"))
    home.chmod(0o755)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.setdefault("FORMULARY_ENV", "test")
    os.environ["FORMULARY_HOME"] = str(home / "state")
    os.environ.setdefault("FORMULARY_MODELS", str(ROOT / "var" / "models"))
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _trust_one_authority(home / "authority.pem")
    # Hundreds of processes are started: what one has compiled is there for the others, and
    # workers do without Django's checks, as the stack's do.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    if "DATABASE_URL" not in os.environ:
        from config.stack.postgres import Postgres

        postgres = Postgres(home / "postgres", is_durable=False)
        os.environ["DATABASE_URL"] = postgres.start()
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            # Who waits for a lock that is never given back, or for a query that does not end,
            # fails and is named.
            connection.execute("ALTER ROLE CURRENT_USER SET lock_timeout = '90s'")
            connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '120s'")
        atexit.register(postgres.stop)
    if "REDIS_URL" not in os.environ:
        from config.stack.valkey import Valkey

        valkey = Valkey(home / "valkey", is_durable=False)
        os.environ["REDIS_URL"] = valkey.start()
        atexit.register(valkey.stop)


def _trust_one_authority(file: Path) -> None:
    """No test asks the outside; to read all authorities takes each HTTP client 20 ms."""
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text().partition(end)
    file.write_text(first[first.index("-----BEGIN") :] + end)
    os.environ["SSL_CERT_FILE"] = str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """In the controlling process, before its workers start."""
    databases.make_template()
    # In the order of collection, which is ours: see below.
    config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, then all others in the order that pytest-django gave them."""

    def rank(item: pytest.Item) -> int:
        found = (index for index, start in enumerate(LONG) if item.nodeid.startswith(start))
        is_grouped = item.get_closest_marker("xdist_group") is not None
        return next(found, len(LONG) if is_grouped else len(LONG) + 1)

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """What is loaded now stays: a collection of garbage need not look at it each time."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def _outside_the_database() -> Iterator[None]:
    """What lies beside the database ends with its test, as the database's rows do.

    Else the next test's new database is older than its list of stops: restored from a backup.
    """
    yield
    home = Path(os.environ["FORMULARY_HOME"])
    (home / "stops.jsonl").unlink(missing_ok=True)
    shutil.rmtree(home / "checkpoints", ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _cheap_password_hashes() -> None:
    """Hundreds of accounts are made here: the hash stays Argon2, at the least that it costs."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    Argon2PasswordHasher.time_cost = 1
    Argon2PasswordHasher.memory_cost = 8
    Argon2PasswordHasher.parallelism = 1


@pytest.fixture
def empty_broker() -> None:
    """Nothing waits in this worker's Redis, and nobody has given a sign of life there."""
    redis.Redis.from_url(os.environ["REDIS_URL"]).flushdb()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before pytest-django imports the settings."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        _start_services()
    else:
        base, _, _ = os.environ["REDIS_URL"].rpartition("/")
        os.environ["REDIS_URL"] = f"{base}/{int(worker.removeprefix('gw')) + 1}"
        os.environ["FORMULARY_HOME"] += f"-{worker}"
