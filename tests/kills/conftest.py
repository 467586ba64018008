"""One whole Formulary for a module, on this process's test database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from tests.kills.running import Running


@pytest.fixture(scope="module")
def start(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Running]]:
    """Makes the module's Formulary; rows are kept from test to test, and none after the last."""
    with django_db_blocker.unblock(), ExitStack() as stack:
        # Rows that this process writes must be readable for the others: the same keys.
        def make(*, base: Path, engine: str) -> Running:
            folder = tmp_path_factory.mktemp("kills")
            made = Running(folder=folder, base=base, engine=engine)
            stack.enter_context(
                override_settings(
                    FORMULARY_HOME=made.home, CHECKPOINT_FOLDER=made.home / "checkpoints"
                )
            )
            stack.callback(_flush)
            stack.callback(made.stop)
            return made

        yield make


def _flush() -> None:
    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=False)
