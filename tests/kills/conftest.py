"""One whole Formulary for a module, on a database of its own."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from tests.databases import await_template
from tests.kills.running import Running, database_url


@contextmanager
def own_database() -> Iterator[None]:
    """This process's connection leads to a new database inside of the block, with empty tables."""
    given, name = connection.settings_dict["NAME"], f"kills_{uuid.uuid4().hex[:12]}"
    migrated = await_template()
    template = migrated or "template1"
    with psycopg.connect(database_url(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type] - hex digits
        _lead_to(name)
        try:
            if not migrated:
                call_command("migrate", verbosity=0)
            yield
        finally:
            _lead_to(given)
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def _lead_to(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name
    # Another database counts its content types in its own way.
    ContentType.objects.clear_cache()


@pytest.fixture(scope="module")
def start(
    django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Running]]:
    """Makes the module's Formulary; rows are kept from test to test."""
    with django_db_blocker.unblock(), ExitStack() as stack:
        stack.enter_context(own_database())

        # Rows that this process writes must be readable for the others: the same keys and store.
        def make(*, base: Path, engine: str) -> Running:
            made = Running(folder=tmp_path_factory.mktemp("kills"), base=base, engine=engine)
            blobs = settings.STORAGES["blobs"]
            here = {**blobs, "OPTIONS": {**blobs["OPTIONS"], "location": made.home / "blobs"}}
            stack.enter_context(
                override_settings(
                    FORMULARY_HOME=made.home,
                    CHECKPOINT_FOLDER=made.home / "checkpoints",
                    STORAGES={**settings.STORAGES, "default": here, "blobs": here},
                )
            )
            stack.callback(made.stop)
            return made

        yield make
