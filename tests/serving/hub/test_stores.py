"""Files of every blob store, whole and in part."""

import hashlib

import pytest

from tests.factories import hub
from tests.factories.hub import WEIGHTS
from tests.registry.services.test_blobs import store

__all__ = ["store"]


@pytest.mark.django_db
def test_every_store_hands_out_whole_files_and_ranges(store: str) -> None:
    repo = hub.repository()
    client = hub.client_with(repo.token)
    whole = client.get(repo.url()).getvalue()
    assert hashlib.sha256(whole).hexdigest() == hub.digests_of(repo.v2)[WEIGHTS]
    assert client.head(repo.url())["Content-Length"] == str(len(whole))
    for header, expected in (("bytes=100-", whole[100:]), ("bytes=7-90", whole[7:91])):
        answer = client.get(repo.url(), headers={"range": header})
        assert (answer.status_code, answer.getvalue()) == (206, expected)
