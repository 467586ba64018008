"""One little base for the folder's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.engines.tiny import Package, make_adapter, make_base


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="session")
def adapter(
    tiny_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Package]]:
    made: dict[str, Package] = {}

    def make(**settings: Any) -> Package:
        key = repr(sorted(settings.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("adapter")
            made[key] = make_adapter(tiny_base, folder, **settings)
        return made[key]

    yield make
