"""Formulary with state of its own, once a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories import registry as make
from tests.flows import formulary as running
from tests.flows import letters
from tests.flows.formulary import Formulary
from tests.flows.job import Job


@pytest.fixture(scope="session")
def letters_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letters.write_base(tmp_path_factory.mktemp("bases") / "letters")


@pytest.fixture
def formulary(
    transactional_db: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Formulary]:
    """Nothing runs yet: ``start`` says on which engine and base it shall."""
    settings.FORMULARY_HOME = tmp_path / "state"
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with running.formulary(folder=tmp_path, setenv=monkeypatch.setenv) as made:
        yield made


@pytest.fixture
def job(formulary: Formulary, tmp_path: Path) -> Job:
    """Everything runs on the memory engine, and nobody has done anything yet."""
    formulary.start(engine="memory", base=make.base_folder(tmp_path / "tiny"), slots=6)
    formulary.start_workers()
    return Job(formulary)
