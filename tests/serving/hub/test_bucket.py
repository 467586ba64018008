"""Files of a revision whose bytes lie in an S3 bucket."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from config.core.storage import blob_storage
from tests.factories import hub
from tests.factories.hub import WEIGHTS, Repository
from tests.registry.storage.conftest import use_store


@pytest.fixture(autouse=True)
def _bucket(settings: Any, monkeypatch: pytest.MonkeyPatch, moto: str) -> None:
    use_store(settings, monkeypatch, moto)


@pytest.fixture
def asked(_bucket: None) -> list[str]:
    """The range that each request for an object named; empty where it asked for all of it."""
    found: list[str] = []

    def note(request: Any, **kwargs: Any) -> None:
        value = request.headers.get("Range", b"")
        found.append(value.decode() if isinstance(value, bytes) else value)

    storage: Any = blob_storage()
    client = storage.connection.meta.client
    client.meta.events.register("before-send.s3.GetObject", note)
    return found


def test_a_file_comes_whole_and_from_any_place_on(
    client: Client, repo: Repository, asked: list[str]
) -> None:
    whole = client.get(repo.url()).getvalue()
    assert hashlib.sha256(whole).hexdigest() == hub.digests_of(repo.v2)[WEIGHTS]
    rest = client.get(repo.url(), headers={"range": "bytes=5-"})
    assert (rest.status_code, rest.getvalue()) == (206, whole[5:])
    # Its last bytes are given only if all of it has the digest.
    assert asked == ["", ""]


def test_of_a_part_from_the_middle_nothing_before_it_leaves_the_store(
    client: Client, repo: Repository, asked: list[str]
) -> None:
    whole = client.get(repo.url()).getvalue()
    part = client.get(repo.url(), headers={"range": "bytes=100-149"})
    assert (part.status_code, part.getvalue()) == (206, whole[100:150])
    assert asked == ["", "bytes=100-"]
