"""Versions from digests: no bytes travel, and the rules are those of every package."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from config.accounts.models import User
from config.core.events import _handlers, subscribe
from config.core.storage import blob_storage
from registry.events import VersionRefused, VersionSubmitted
from registry.models import Adapter, Blob, Upload, Version
from tests.factories import accounts
from tests.factories import registry as make

from .conftest import Chunks, sha256

pytestmark = pytest.mark.django_db
URL = "/api/v1/adapters/triage/versions"


@pytest.fixture
def adapter(engineer: User) -> Adapter:
    return make.adapter(slug="triage", owner=engineer)


def _upload(client: APIClient, files: dict[str, bytes]) -> list[dict[str, str]]:
    for path, data in files.items():
        assert Chunks(client, data, path=path).send(0).status_code == 200
    return [{"path": path, "sha256": sha256(data)} for path, data in files.items()]


def test_a_manifest_makes_the_version_that_the_files_would_make(
    client: APIClient, adapter: Adapter, folder: Any
) -> None:
    files = make.package(seed=41) | {"docs/card.md": b"# made of digests"}
    rows = _upload(client, files)
    label = dict(make.LABEL)
    body = {"files": rows, "version_name": "v1", "label": label, "notes": "first"}
    first = client.post(URL, body)
    assert first.status_code == 201, first.content
    version = Version.objects.get()
    assert first["Location"] == f"/api/v1/versions/{version.uuid}"
    assert sorted(row["path"] for row in first.json()["files"]) == sorted(files)
    assert first.json()["label"]["purpose"] == label["purpose"]
    assert version.peft_facts["rank"] == 4
    # The uploads have served; the same manifest again changes nothing.
    assert not Upload.objects.exists()
    again = client.post(URL, {"files": list(reversed(rows))})
    assert (again.status_code, again.json()) == (200, first.json())
    other_way, _ = make.versions.submit(
        adapter=adapter, package=make.source(files), user=adapter.owner, actor=make.SYSTEM
    )
    assert other_way == version
    named = client.post(URL, {"files": rows[:2], "parent": "triage@v1", "version_name": "v2"})
    assert named.json()["parent"] == str(version.uuid)


def test_bytes_that_another_engineer_stored_may_be_named(
    client: APIClient, adapter: Adapter, folder: Any
) -> None:
    rows = _upload(client, make.package(seed=42))
    other = accounts.client_of(accounts.engineer())
    assert other.post(URL, {"files": rows}).status_code == 201
    assert Upload.objects.count() == 2  # the first one's own


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda rows: [*rows, {"path": "../x", "sha256": rows[0]["sha256"]}], "unsafe_path"),
        (lambda rows: [*rows, {"path": "/x", "sha256": rows[0]["sha256"]}], "unsafe_path"),
        (lambda rows: [*rows, rows[0]], "duplicate"),
        (lambda rows: [*rows, {**rows[0], "path": rows[0]["path"].upper()}], "duplicate"),
        (lambda rows: rows[1:], "missing"),
        (lambda rows: [*rows, {"path": "x", "sha256": "0" * 64}], "bytes_unknown"),
        (lambda rows: [{**rows[0], "path": f"f{number}"} for number in range(201)],
         "too_many_files"),
    ],
)  # fmt: skip
def test_container_faults_are_those_of_every_package(
    client: APIClient, adapter: Adapter, folder: Any, change: Any, code: str
) -> None:
    rows = _upload(client, make.package(seed=43))
    refusals: list[VersionRefused] = []
    subscribe(VersionRefused, refusals.append)
    try:
        answer = client.post(URL, {"files": change(rows)})
    finally:
        _handlers[VersionRefused].remove(refusals.append)
    assert (answer.status_code, answer.json()["code"]) == (422, "package-invalid")
    assert code in {error["code"] for error in answer.json()["errors"]}
    assert len(refusals) == 1
    assert not Version.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": []},
        {"files": "x"},
        {"files": [{"path": "a"}]},
        {"files": [{"path": "a", "sha256": "A" * 64}]},
        {"files": [{"path": "a\0", "sha256": "0" * 64}]},
        {"files": [{"path": "a", "sha256": "0" * 64}], "label": {"purpose": ""}},
        {"files": [{"path": "a", "sha256": "0" * 64}], "notes": {"a": 1}},
    ],
)
def test_malformed_manifests_are_named(client: APIClient, adapter: Adapter, body: Any) -> None:
    answer = client.post(URL, body)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"


def test_bytes_that_the_store_lost_are_asked_for_again(
    client: APIClient, adapter: Adapter, folder: Any
) -> None:
    files = make.package(seed=44)
    rows = _upload(client, files)
    lost = Blob.objects.get(sha256=rows[0]["sha256"])
    blob_storage().delete(lost.key)
    assert client.head(f"/api/v1/blobs/{lost.sha256}").status_code == 404
    answer = client.post(URL, {"files": rows})
    assert answer.json()["errors"][0]["code"] == "bytes_unknown"
    _upload(client, {rows[0]["path"]: files[rows[0]["path"]]})
    assert client.head(f"/api/v1/blobs/{lost.sha256}").status_code == 200
    assert client.post(URL, {"files": rows}).status_code == 201


def test_head_by_digest_is_two_looks_and_reads_nothing(
    client: APIClient, adapter: Adapter, django_assert_max_num_queries: Any
) -> None:
    version = make.version(of=adapter)
    blob = Blob.objects.order_by("-size_bytes")[0]
    client.head(f"/api/v1/blobs/{blob.sha256}")
    with django_assert_max_num_queries(6):  # token, its account, roles; then one for the blob
        answer = client.head(f"/api/v1/blobs/{blob.sha256}")
    assert answer.status_code == 200
    assert answer["Content-Length"] == str(blob.size_bytes)
    assert APIClient().head(f"/api/v1/blobs/{blob.sha256}").status_code == 401
    assert version.files.count() == 2


def test_a_manifest_is_an_event_like_every_version(
    client: APIClient, adapter: Adapter, folder: Any
) -> None:
    rows = _upload(client, make.package(seed=45))
    seen: list[VersionSubmitted] = []
    subscribe(VersionSubmitted, seen.append)
    try:
        assert client.post(URL, {"files": rows}).status_code == 201
        assert client.post(URL, {"files": rows}).status_code == 200
    finally:
        _handlers[VersionSubmitted].remove(seen.append)
    assert len(seen) == 1
