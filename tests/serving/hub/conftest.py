"""Clients of the Hub endpoint: Django's own, and the official library in its own process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import hub
from tests.factories.hub import Move, Repository, Run, Server

SCRIPT = Path(__file__).with_name("client.py")


@pytest.fixture
def repo(db: None) -> Repository:
    return hub.repository()


@pytest.fixture
def client(repo: Repository) -> Client:
    return hub.client_with(repo.token)


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    with hub.served() as made:
        yield made


def _interpreters() -> list[str]:
    """The Pythons whose Hub clients are tried: ours, or those that ``make test-hub`` made."""
    given = os.environ.get("HUB_CLIENTS", "")
    return given.split(":") if given else [sys.executable]


@pytest.fixture(params=_interpreters(), ids=lambda path: Path(path).parent.parent.name)
def run(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Run:
    """Makes moves with the official client in a process of its own, all with one cache."""

    def moved(*moves: Move, token: str = "") -> list[Any]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        done = subprocess.run(
            [request.param, str(SCRIPT)],
            input=json.dumps(moves),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={
                **kept,
                "HF_ENDPOINT": server.url,
                "HF_HOME": str(tmp_path / "hub"),
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                **({"HF_TOKEN": token} if token else {}),
            },
        )
        assert done.returncode == 0, done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers

    return moved
