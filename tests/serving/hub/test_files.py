"""Files of a revision: what HEAD tells, ranges, what never leaves, and damaged bytes."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.db import connection
from django.test import Client

from compliance.models import Permission
from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock, storage
from config.core.digests import CHUNK_BYTES
from registry.models import Blob
from serving.hub.errors import RangeUnsatisfiable, RevisionWithdrawn
from serving.hub.files import HubFile, is_handed_out
from serving.hub.ranges import span_of
from serving.hub.streams import Pieces
from serving.models import Download
from tests.factories import accounts, hub
from tests.factories.gateway import until
from tests.factories.hub import CONFIG, LARGE, LARGE_BYTES, WEIGHTS, Repository, Server


def test_head_says_commit_digest_and_size(client: Client, repo: Repository) -> None:
    answer = client.head(repo.url())
    blob = Blob.objects.get(sha256=hub.digests_of(repo.v2)[WEIGHTS])
    assert answer.status_code == 200
    assert answer["X-Repo-Commit"] == repo.v2.commit_id
    assert answer["ETag"] == answer["X-Linked-Etag"] == f'"{blob.sha256}"'
    assert answer["Content-Length"] == answer["X-Linked-Size"] == str(blob.size_bytes)
    assert answer["Accept-Ranges"] == "bytes"
    assert "no-transform" in answer["Cache-Control"]
    assert "Content-Encoding" not in answer
    assert not [header for header in answer.headers if header.lower().startswith("x-xet")]
    assert answer.content == b""


def test_the_configuration_is_the_stored_bytes(client: Client, repo: Repository) -> None:
    answer = client.get(repo.url(CONFIG), headers={"accept": "image/png"})
    assert answer.status_code == 200
    body = answer.getvalue()
    assert hashlib.sha256(body).hexdigest() == hub.digests_of(repo.v2)[CONFIG]
    assert answer["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=5-9", 5, 9), ("bytes=5-", 5, None), ("bytes=-4", -4, None), ("bytes=0-", 0, None)],
)
def test_a_range_is_answered_with_its_bytes(
    client: Client, repo: Repository, header: str, first: int, last: int | None
) -> None:
    whole = client.get(repo.url()).getvalue()
    answer = client.get(repo.url(), headers={"range": header})
    expected = whole[first : last + 1 if last is not None else None]
    begin = first % len(whole)
    assert answer.status_code == 206
    assert answer.getvalue() == expected
    assert answer["Content-Length"] == str(len(expected))
    assert answer["Content-Range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(whole)}"


def test_a_range_behind_the_end_is_416(client: Client, repo: Repository) -> None:
    size = len(client.get(repo.url()).getvalue())
    answer = client.get(repo.url(), headers={"range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{size}"
    assert answer.json()["code"] == "hub-range-not-satisfiable"


@pytest.mark.parametrize("header", ["", "bytes=-", "bytes=9-5", "bytes=0-1,4-5", "lines=1-2", "x"])
def test_what_is_no_single_range_is_the_whole_file(header: str) -> None:
    span = span_of(header, size_bytes=10)
    assert (span.first, span.length, span.is_partial) == (0, 10, False)


def test_the_last_zero_bytes_and_an_empty_file_hold_no_range() -> None:
    for header, size_bytes in (("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)):
        with pytest.raises(RangeUnsatisfiable):
            span_of(header, size_bytes=size_bytes)


def test_a_part_of_another_file_is_not_continued(client: Client, repo: Repository) -> None:
    etag = client.head(repo.url())["ETag"]
    range_ = {"range": "bytes=5-"}
    assert client.get(repo.url(), headers={**range_, "if-range": etag}).status_code == 206
    assert client.get(repo.url(), headers={**range_, "if-range": '"other"'}).status_code == 200


@pytest.mark.parametrize("named", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_who_holds_the_bytes_is_not_sent_them_again(
    client: Client, repo: Repository, named: str
) -> None:
    sha256 = hub.digests_of(repo.v2)[WEIGHTS]
    for ask in (client.get, client.head):
        answer = ask(repo.url(), headers={"if-none-match": named.format(sha256)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer["ETag"] == f'"{sha256}"'
        assert answer["X-Repo-Commit"] == repo.v2.commit_id
    assert not Download.objects.exists()
    assert client.get(repo.url(), headers={"if-none-match": '"other"'}).status_code == 200


def test_a_copy_of_what_was_withdrawn_is_not_called_good(client: Client, repo: Repository) -> None:
    etag = client.head(repo.url())["ETag"]
    Permission.objects.filter(version=repo.v2).update(ended_at=clock.now(), ended_reason="void")
    answer = client.get(repo.url(), headers={"if-none-match": etag})
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize("path", ["optimizer.bin", "run.py", "no/such/file.json", "notes"])
def test_foreign_files_are_entries_that_do_not_exist(
    client: Client, repo: Repository, path: str
) -> None:
    for answer in (client.head(repo.url(path)), client.get(repo.url(path))):
        assert answer.status_code == 404
        assert answer["X-Error-Code"] == "EntryNotFound"
        assert answer["X-Repo-Commit"] == repo.v2.commit_id
    tree = client.get(repo.api("/tree/main?recursive=true")).json()
    assert path not in {row["path"] for row in tree if row["type"] == "file"}


@pytest.mark.parametrize(
    ("path", "is_out"),
    [
        ("adapter_model.safetensors", True),
        ("model.safetensors.index.json", True),
        ("a/LICENSE", True),
        ("adapter_model.bin", False),
        ("weights.pt", False),
        ("weights.safetensors.pkl", False),
        ("x.gguf", False),
        ("setup.sh", False),
        (".json", False),
    ],
)
def test_which_names_leave(path: str, is_out: bool) -> None:
    assert is_handed_out(path) is is_out


@contextmanager
def _damaged(sha256: str, *, at: int) -> Iterator[None]:
    """Only as long as it is looked at: other tests' packages have the same bytes."""
    path = Path(storage.blob_storage().path(storage.key_of(sha256)))
    path.chmod(0o600)
    whole = path.read_bytes()
    data = bytearray(whole)
    data[at] ^= 1
    path.write_bytes(data)
    yield
    path.write_bytes(whole)


def test_a_damaged_file_is_refused(client: Client, repo: Repository) -> None:
    with _damaged(hub.digests_of(repo.v2)[WEIGHTS], at=-1):
        for headers in ({}, {"range": "bytes=8-"}):
            answer = client.get(repo.url(), headers=headers)
            assert answer.status_code == 503
            assert answer.json()["code"] == "blob-damaged"


def test_lost_bytes_are_told_by_head_and_get(client: Client, repo: Repository) -> None:
    storage.blob_storage().delete(storage.key_of(hub.digests_of(repo.v2)[WEIGHTS]))
    for answer in (client.head(repo.url()), client.get(repo.url())):
        assert answer.status_code == 404
        assert "X-Error-Code" not in answer


def test_a_large_file_that_was_damaged_never_arrives_whole(server: Server) -> None:
    repo = hub.repository(is_large=True)
    headers = {"Authorization": f"Bearer {repo.token}"}
    for begin in (0, 3 * CHUNK_BYTES):
        got = 0
        asked = {**headers, "Range": f"bytes={begin}-"}
        url = f"{server.url}{repo.url(LARGE)}"
        with (
            _damaged(hub.digests_of(repo.v2)[LARGE], at=CHUNK_BYTES),
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("GET", url, headers=asked) as answer,
        ):
            for piece in answer.iter_raw():
                got += len(piece)
        assert got < LARGE_BYTES - begin


def test_a_file_is_read_a_megabyte_at_a_time(db: None) -> None:
    repo = hub.repository(is_large=True)
    blob = Blob.objects.get(sha256=hub.digests_of(repo.v2)[LARGE])
    span = span_of("", size_bytes=blob.size_bytes)
    pieces = Pieces(HubFile(LARGE, blob), span, of=repo.v2.digest)
    digest, sizes = hashlib.sha256(), []
    tracemalloc.start()
    for piece in pieces:
        digest.update(piece)
        sizes.append(len(piece))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert digest.hexdigest() == blob.sha256
    assert max(sizes) == CHUNK_BYTES
    assert peak_bytes < 4 * CHUNK_BYTES


def test_nothing_more_is_sent_of_a_version_that_is_stopped_meanwhile(db: None) -> None:
    repo = hub.repository(is_large=True)
    blob = Blob.objects.get(sha256=hub.digests_of(repo.v2)[LARGE])
    span = span_of("", size_bytes=blob.size_bytes)
    pieces = iter(Pieces(HubFile(LARGE, blob), span, of=repo.v2.digest))
    assert len(next(pieces)) == CHUNK_BYTES
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=repo.v2.digest, reason="wrong", user=officer, actor=actor_of(officer))
    with pytest.raises(RevisionWithdrawn):
        next(pieces)


def test_slow_clients_hold_no_connection_to_the_database(server: Server) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has a pool of connections that could run dry")
    repo = hub.repository(is_large=True)
    pool = connection.pool  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {repo.token}"}
    url = f"{server.url}{repo.url(LARGE)}"
    with httpx.Client() as http, http.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        # The answer's end waits in the server: this client has read nothing of it.
        taken = until(
            lambda: (stats := pool.get_stats())["pool_size"] - stats["pool_available"] <= 1
        )
        assert taken
        assert sum(len(piece) for piece in answer.iter_raw()) == LARGE_BYTES
