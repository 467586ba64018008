"""The house of serving's tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories import serving


@pytest.fixture
def house(
    live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[serving.House]:
    """One base, one node on the memory engine, and our API behind a real server."""
    with serving.house(api_url=live_server.url, folder=tmp_path, setenv=monkeypatch.setenv) as made:
        made.add_node()
        yield made
