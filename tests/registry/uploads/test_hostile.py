"""What a chunk, a declaration or a stranger may not do."""

import io
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.accounts.roles import Role
from registry.models import Blob, Upload
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.disks import files_of_at_most

from .conftest import Chunks, patch, sha256, unique

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("offset", ["-1", "", "1e3", "٣", "9" * 30, "0x10", "1.0", " 1", "+1"])
def test_offsets_that_are_no_number_of_bytes(client: APIClient, folder: Path, offset: str) -> None:
    upload = Chunks(client)
    answer = patch(client, upload.url, b"x", offset)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "upload-invalid"
    assert upload.offset() == 0


@pytest.mark.parametrize("checksum", ["sha256", "md5 " + "0" * 32, "sha256 zz", "sha256 AAAA", "x"])
def test_checksums_that_are_none(client: APIClient, folder: Path, checksum: str) -> None:
    upload = Chunks(client)
    answer = upload.send(0, 1, **{"Upload-Checksum": checksum})
    assert (answer.status_code, answer.json()["code"]) == (400, "upload-invalid")


def test_more_bytes_than_declared_leave_nothing(client: APIClient, folder: Path) -> None:
    upload = Chunks(client, b"12345", size_bytes=4, sha256=None)
    upload.send(0, 2)
    answer = patch(client, upload.url, b"345", 2)
    assert (answer.status_code, answer.json()["code"]) == (400, "upload-invalid")
    assert upload.offset() == 2
    assert upload.file(folder).read_bytes() == b"12"


def test_a_chunk_of_more_than_16_mebibytes(client: APIClient, folder: Path) -> None:
    size_bytes = (16 << 20) + 1
    upload = Chunks(client, b"", size_bytes=size_bytes, sha256=None)
    answer = patch(client, upload.url, bytes(size_bytes), 0)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-large")
    assert upload.file(folder).stat().st_size == 0
    assert patch(client, upload.url, bytes(size_bytes - 1), 0).status_code == 200


def test_a_declared_size_above_the_limit(client: APIClient, folder: Path, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    answer = Chunks(client, size_bytes=1001).answer
    assert (answer.status_code, answer.json()["code"]) == (413, "upload-too-large")
    assert Chunks(client, size_bytes=-1).answer.status_code == 400
    assert Chunks(client, size_bytes=10**30).answer.status_code == 400
    assert Chunks(client, size_bytes="many").answer.status_code == 400
    assert Chunks(client, sha256="A" * 64).answer.status_code == 400


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "C:\\x", "a//b", "a\nb", "."])
def test_paths_that_no_package_could_have(client: APIClient, folder: Path, path: str) -> None:
    answer = Chunks(client, path=path).answer
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][0]["code"] == "unsafe_path"
    assert Chunks(client, path="a\0b").answer.status_code == 400


def test_a_chunk_after_completion_changes_nothing(client: APIClient, folder: Path) -> None:
    data = unique()
    upload = Chunks(client, data)
    upload.send(0)
    for offset in (0, len(data)):
        answer = patch(client, upload.url, b"x", offset)
        assert (answer.status_code, answer.json()["code"]) == (409, "upload-complete")
    assert not list(folder.iterdir())
    assert client.get(f"/api/v1/blobs/{sha256(data)}").getvalue() == data  # type: ignore[attr-defined]


def test_somebody_elses_upload_is_not_found(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    upload.send(0, 10)
    other = accounts.client_of(accounts.engineer())
    assert other.head(upload.url).status_code == 404
    assert other.get(upload.url).status_code == 404
    assert other.delete(upload.url).status_code == 404
    assert patch(other, upload.url, b"x", 10).status_code == 404
    assert other.get("/api/v1/uploads").json()["results"] == []
    assert upload.offset() == 10


def test_who_may_not_submit_may_not_upload(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    reviewer = accounts.client_of(accounts.user(Role.REVIEWER))
    assert Chunks(reviewer).answer.status_code == 403
    assert reviewer.head(upload.url).status_code == 403
    assert reviewer.get("/api/v1/uploads").status_code == 403
    assert APIClient().head(upload.url).status_code == 401


def test_other_content_types_are_refused(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    for kind in ("application/json", "application/octet-stream", "multipart/form-data"):
        answer = client.patch(upload.url, b"{}", content_type=kind, headers={"Upload-Offset": "0"})
        assert answer.status_code == 415
    assert upload.offset() == 0


def test_quotas_say_what_to_do(client: APIClient, folder: Path, settings: Any) -> None:
    settings.UPLOAD_OPEN_MAX, settings.UPLOAD_QUOTA_BYTES = 2, 1000
    first = Chunks(client, bytes(600))
    answer = Chunks(client, bytes(401)).answer
    assert (answer.status_code, answer.json()["code"]) == (429, "upload-quota-reached")
    assert "DELETE" in answer.json()["fix"]
    assert Chunks(client, bytes(400)).answer.status_code == 201
    assert Chunks(client, b"").answer.status_code == 429
    assert Chunks(accounts.client_of(accounts.engineer()), bytes(400)).answer.status_code == 201
    # Finished ones count by their bytes until a version uses them.
    first.send(0)
    assert Chunks(client, b"").answer.status_code == 201
    assert Chunks(client, b"1").answer.status_code == 429


def test_a_full_disk_is_a_507_and_nothing_half_done_stays(client: APIClient, folder: Path) -> None:
    upload = Chunks(client, unique(300_000))
    upload.send(0, 100_000)
    # The write fails in the middle of the chunk.
    with files_of_at_most(200_000):
        answer = upload.send(100_000)
    assert (answer.status_code, answer.json()["code"]) == (507, "no-room")
    assert upload.offset() == 100_000
    assert upload.file(folder).stat().st_size == 100_000
    assert upload.send(100_000).json()["state"] == "done"


def test_a_form_that_meets_a_full_disk_is_a_507_too(client: APIClient) -> None:
    make.adapter(slug="large")
    stream = io.BytesIO(unique(100_000))
    stream.name = "adapter_model.safetensors"
    with files_of_at_most(60_000):
        answer = client.post(
            "/api/v1/adapters/large/versions", {"files": [stream]}, format="multipart"
        )
    assert (answer.status_code, answer.json()["code"]) == (507, "no-room")
    assert not Blob.objects.exists()


def test_a_file_that_the_disk_could_never_take_is_refused_at_once(
    client: APIClient, folder: Path, settings: Any
) -> None:
    settings.UPLOAD_MAX_BYTES = settings.UPLOAD_QUOTA_BYTES = 2**62
    answer = Chunks(client, size_bytes=2**61).answer
    assert (answer.status_code, answer.json()["code"]) == (507, "no-room")
    assert not Upload.objects.exists()
    assert not Blob.objects.exists()
