"""The test database: copied from one that is migrated once, and emptied by what was filled."""

import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "formulary_template"
NAMED_BY = "TEST_DATABASE_TEMPLATE"
"""The variable that names the migrated database to a session's workers."""
MIGRATED_WITHIN_SECONDS = 120.0
TRUNCATED_FROM_BYTES = 1 << 20
DEADLOCKS_AT_MOST = 3


def make_template() -> None:
    """Begin to migrate the database that each worker's is a copy of; workers start meanwhile."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    os.environ[NAMED_BY] = TEMPLATE
    threading.Thread(target=_migrate, args=(url,), daemon=True).start()


def _migrate(url: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"{url.rpartition('/')[0]}/{TEMPLATE}"},
        check=False,
    )
    with psycopg.connect(url, autocommit=True) as server:
        end = "DROP DATABASE {}" if done.returncode else "ALTER DATABASE {} IS_TEMPLATE true"
        server.execute(sql.SQL(end).format(sql.Identifier(TEMPLATE)))  # type: ignore[arg-type]


def await_template() -> str:
    """The name of the migrated database; empty where none is made.

    Raises:
        Failed: its migrations failed, or took too long.
    """
    name = os.environ.get(NAMED_BY, "")
    if not name:
        return ""
    waiter = threading.Event()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        for _ in range(int(MIGRATED_WITHIN_SECONDS / 0.05)):
            found = server.execute(
                "SELECT datistemplate FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            if found is None:
                pytest.fail("the template of the test databases did not migrate: see above")
            if found[0]:
                return name
            waiter.wait(0.05)
    pytest.fail(f"no migrated template within {MIGRATED_WITHIN_SECONDS:g} s")


class Emptying:
    """Takes the rows out of the tables of one database that have any.

    Django's flush truncates every table, each into new files, and makes content types and
    permissions again: most of it for tables that no test has touched.
    """

    def __init__(self) -> None:
        self._tables: list[str] = []
        self._kept: dict[str, int] = {}
        """What a flushed database holds, because Django itself has written it: rows by table."""

    def empty(self, connection: Any, flush: Callable[[], None]) -> None:
        """What ``flush`` leaves, sooner."""
        if self._tables and self._delete_again(connection) == self._kept:
            return
        flush()
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            if not cursor.fetchone()[0]:
                return
            names = connection.introspection.django_table_names
            self._tables = sorted(names(only_existing=True, include_views=False))
            self._kept = self._counted(cursor, [name for name, _ in self._filled(cursor)])

    def _delete_again(self, connection: Any) -> dict[str, int]:
        """Empty, once more where somebody who still wrote held what this waited for."""
        from django.db import OperationalError

        for _ in range(DEADLOCKS_AT_MOST):
            try:
                return self._delete(connection)
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise
        return self._delete(connection)

    def _delete(self, connection: Any) -> dict[str, int]:
        """Empty all but what is kept; the rows of what is kept."""
        from django.db import transaction

        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            every = ", ".join(f'"{table}"' for table in self._tables)
            # As a truncation does: it waits for whoever is still writing.
            cursor.execute(f"LOCK TABLE {every} IN ACCESS EXCLUSIVE MODE")
            # Rows go in any order, and those too that nobody may delete.
            cursor.execute("SET LOCAL session_replication_role = replica")
            filled = self._filled(cursor)
            for table, size_bytes in filled:
                if table not in self._kept:
                    is_large = size_bytes > TRUNCATED_FROM_BYTES
                    cursor.execute(
                        f'TRUNCATE "{table}" CASCADE' if is_large else f'DELETE FROM "{table}"'
                    )
            return self._counted(cursor, [name for name, _ in filled if name in self._kept])

    def _filled(self, cursor: Any) -> list[tuple[str, int]]:
        """The tables that hold a row, with their size in bytes."""
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}', pg_relation_size('\"{table}\"')"
                f' WHERE EXISTS (SELECT FROM "{table}")'
                for table in self._tables
            )
        )
        found: list[tuple[str, int]] = cursor.fetchall()
        return found

    def _counted(self, cursor: Any, tables: list[str]) -> dict[str, int]:
        counts = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = int(cursor.fetchone()[0])
        return counts


_emptyings: dict[str, Emptying] = defaultdict(Emptying)


def empty_quickly() -> None:
    """Let tests with transactions of their own end with ``Emptying`` in place of a flush."""
    from django.db import connections
    from django.test import TransactionTestCase

    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def tear_down(case: TransactionTestCase) -> None:
        connection = connections["default"]
        if connection.vendor != "postgresql":
            flush(case)
            return
        _emptyings[connection.settings_dict["NAME"]].empty(connection, lambda: flush(case))

    TransactionTestCase._fixture_teardown = tear_down  # type: ignore[attr-defined]
