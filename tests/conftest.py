"""How a session's test database is made, and emptied between tests."""

from collections.abc import Iterator

import pytest

from tests import databases


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A worker's database is a copy of the migrated one; ``migrate`` then finds nothing to do."""
    from django.db import connections

    if name := databases.await_template():
        connections["default"].settings_dict["TEST"]["TEMPLATE"] = name


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> None:
    databases.empty_quickly()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a server of buckets and tables; its state is shared, so name things anew."""
    from moto.server import ThreadedMotoServer  # takes a second: only where it is used

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
