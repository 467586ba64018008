"""A tiny base, made once for all tests of the checks."""

from pathlib import Path

import pytest

from compliance.checks.package_report import Base, folder_base
from tests.faults.tiny_base import write_base


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("bases") / "tiny-llama")


@pytest.fixture(scope="session")
def base(base_folder: Path) -> Base:
    return folder_base(base_folder)
