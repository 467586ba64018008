"""A real server in a thread over the test's database, and the command as a person calls it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.accounts.models import User
from deliveries.cli.main import main
from registry.models import Adapter
from tests.factories import accounts
from tests.factories import gateway as servers
from tests.factories import registry as make


@dataclass
class Ran:
    """How a command ended: exit code, what it printed."""

    code: int
    out: str
    err: str

    @property
    def body(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Command:
    """``formulary`` with an account's token."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ran(int(code), printed.out, printed.err)


@pytest.fixture
def url(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[str]:
    from django.core.asgi import get_asgi_application

    settings.UPLOAD_FOLDER = tmp_path / "uploads"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with servers.served(get_asgi_application()) as url:
        yield url


@pytest.fixture
def engineer(transactional_db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def command(
    url: str,
    engineer: User,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Command:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FORMULARY_URL", url)
    monkeypatch.setenv("FORMULARY_TOKEN", accounts.token_text(engineer))
    return Command(capsys)


@pytest.fixture
def adapter(engineer: User) -> Adapter:
    return make.adapter(slug="triage", owner=engineer)


def folder_of(files: dict[str, bytes], folder: Path) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
