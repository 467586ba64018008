"""A home of its own for what these tests write outside the database."""

from pathlib import Path

import pytest


@pytest.fixture
def checkpoint_folder(settings: object, tmp_path: Path) -> Path:
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"  # type: ignore[attr-defined]
    return tmp_path / "checkpoints"


@pytest.fixture(autouse=True)
def _quick_hashes(settings: object) -> None:
    """Many accounts are opened here; how slowly passwords are hashed is not what is tested."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def home(settings: object, tmp_path: Path) -> Path:
    settings.FORMULARY_HOME = tmp_path / "home"  # type: ignore[attr-defined]
    return tmp_path / "home"
