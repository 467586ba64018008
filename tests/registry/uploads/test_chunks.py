"""A file in chunks: begun, continued, cut anywhere, completed."""

import base64
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from config.core import clock, storage
from registry.models import Blob, Upload
from registry.services import blobs, partial_files, uploads
from registry.tasks import sweep_uploads

from .conftest import DATA, Chunks, patch, sha256, unique

pytestmark = pytest.mark.django_db


def _stored(data: bytes) -> bytes:
    with blobs.open(Blob.objects.get(sha256=sha256(data))) as stream:
        return stream.read()


def test_a_file_in_three_chunks_is_stored_under_its_digest(client: APIClient, folder: Path) -> None:
    upload = Chunks(client, path="adapter_model.safetensors")
    assert upload.answer.status_code == 201, upload.answer.content
    assert upload.answer["Upload-Offset"] == "0"
    assert upload.answer.json()["state"] == "open"
    for start, end in ((0, 40_000), (40_000, 40_001), (40_001, None)):
        assert upload.offset() == start
        answer = upload.send(start, end)
        assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["state"], body["offset_bytes"]) == ("done", len(DATA))
    assert body["sha256"] == sha256(DATA)
    assert _stored(DATA) == DATA
    assert client.head(f"/api/v1/blobs/{sha256(DATA)}").status_code == 200
    assert not list(folder.iterdir())
    assert client.get(upload.url).json() == body


def test_a_digest_need_not_be_declared_and_empty_files_are_files(
    client: APIClient, folder: Path
) -> None:
    data = unique()
    upload = Chunks(client, data, sha256=None)
    assert upload.send(0).json()["sha256"] == sha256(data)
    empty = Chunks(client, b"")
    assert empty.send(0).json()["state"] == "done"


def test_another_file_system_and_bytes_that_are_there_already(
    client: APIClient, folder: Path, settings: Any, tmp_path: Path
) -> None:
    data = unique()
    assert Chunks(client, data).send(0).status_code == 200
    again = Chunks(client, data)
    assert again.send(0).json()["state"] == "done"
    assert Blob.objects.filter(sha256=sha256(data)).count() == 1
    shared = Path("/dev/shm")
    if shared.is_dir() and shared.stat().st_dev != tmp_path.stat().st_dev:
        settings.UPLOAD_FOLDER = shared / f"formulary-{os.getpid()}"
        other = unique()
        assert Chunks(client, other).send(0).status_code == 200
        assert _stored(other) == other
        assert not list(settings.UPLOAD_FOLDER.iterdir())
        settings.UPLOAD_FOLDER.rmdir()


def test_a_wrong_offset_is_answered_with_the_right_one(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    upload.send(0, 1000)
    for offset in (0, 999, 1001, 10**15):
        answer = patch(client, upload.url, b"x", offset)
        assert answer.status_code == 409
        assert answer.json()["code"] == "upload-offset-wrong"
        assert answer["Upload-Offset"] == "1000"
        assert answer.json()["errors"] == [{"offset_bytes": 1000}]
    assert upload.send(1000).status_code == 200


def test_a_tail_that_nobody_was_told_of_is_sent_again(client: APIClient, folder: Path) -> None:
    """The process died after the write and before the row: the file is longer than the row."""
    upload = Chunks(client, unique())
    upload.send(0, 1000)
    with upload.file(folder).open("ab") as stream:
        stream.write(b"\0" * 5000)
    assert upload.offset() == 1000
    assert upload.send(1000).json()["state"] == "done"
    assert _stored(upload.data) == upload.data


def test_a_file_that_lost_bytes_is_continued_from_what_is_there(
    client: APIClient, folder: Path
) -> None:
    upload = Chunks(client, unique())
    upload.send(0, 30_000)
    os.truncate(upload.file(folder), 12_345)
    assert upload.offset() == 12_345
    assert upload.send(30_000).status_code == 409
    assert upload.send(12_345, 20_000).status_code == 200
    upload.file(folder).unlink()
    assert upload.offset() == 0
    assert upload.send(0).json()["state"] == "done"
    assert _stored(upload.data) == upload.data


def test_a_completion_that_was_cut_off_is_repeated_by_an_empty_chunk(
    client: APIClient, folder: Path
) -> None:
    """The process died after the store had linked the file and before the row named the blob."""
    data = unique()
    upload = Chunks(client, data)
    folder.mkdir(exist_ok=True)
    path = upload.file(folder)
    path.write_bytes(data)
    Upload.objects.filter(uuid=upload.uuid).update(offset_bytes=len(data))
    storage.put_whole(path, sha256=sha256(data), size_bytes=len(data))
    assert upload.offset() == len(data)
    assert upload.send(len(data)).json()["state"] == "done"
    assert _stored(data) == data


def test_bytes_that_changed_on_the_disk_are_found_at_the_end(
    client: APIClient, folder: Path
) -> None:
    """What is judged is what lies on the disk, not what passed through memory."""
    upload = Chunks(client, unique())
    upload.send(0, 30_000)
    with upload.file(folder).open("r+b") as stream:
        stream.seek(77)
        stream.write(b"!!!")
    answer = upload.send(30_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload-damaged")
    assert client.head(upload.url).status_code == 404
    assert not Blob.objects.filter(sha256=sha256(upload.data)).exists()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("form", ["hex", "base64"])
def test_a_chunk_without_its_checksum_is_cut_off_again(
    client: APIClient, folder: Path, form: str
) -> None:
    upload = Chunks(client, unique())
    upload.send(0, 100)

    def header(data: bytes) -> str:
        digest = hashlib.sha256(data)
        value = digest.hexdigest() if form == "hex" else base64.b64encode(digest.digest()).decode()
        return f"sha256 {value}"

    wrong = upload.send(100, 200, **{"Upload-Checksum": header(b"other")})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "upload-damaged")
    assert upload.offset() == 100
    assert upload.file(folder).stat().st_size == 100
    right = upload.send(100, 200, **{"Upload-Checksum": header(upload.data[100:200])})
    assert right.json()["offset_bytes"] == 200


def test_two_chunks_at_once_one_is_told_to_wait(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    row = Upload.objects.get(uuid=upload.uuid)
    with partial_files.locked(row.uuid):
        answer = upload.send(0)
        assert (answer.status_code, answer.json()["code"]) == (409, "upload-busy")
        assert answer["Retry-After"] == "1"
        assert client.delete(upload.url).status_code == 409
    assert upload.send(0).status_code == 200


def test_what_nobody_goes_on_with_ends_after_a_day(client: APIClient, folder: Path) -> None:
    left, alive = Chunks(client), Chunks(client)
    left.send(0, 10)
    alive.send(0, 10)
    orphan = folder / "00000000-0000-4000-8000-000000000000.part"
    orphan.write_bytes(b"x")
    with clock.frozen_at(clock.now() + timedelta(hours=23)):
        alive.send(10, 20)
        assert uploads.sweep() == 1  # the file without a row
    assert not orphan.exists()
    with clock.frozen_at(clock.now() + timedelta(hours=25)):
        with partial_files.locked(UUID(left.uuid)):  # a chunk is just being written
            assert sweep_uploads() == 0
        assert sweep_uploads() == 1
    assert not left.file(folder).exists()
    assert client.head(left.url).status_code == 404
    assert alive.offset() == 20


def test_an_upload_is_ended_by_its_owner(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    upload.send(0, 10)
    assert client.delete(upload.url).status_code == 204
    assert not list(folder.iterdir())
    assert client.delete(upload.url).status_code == 404


def test_a_client_finds_what_to_resume_by_digest(client: APIClient, folder: Path) -> None:
    upload = Chunks(client)
    Chunks(client, b"another")
    upload.send(0, 5)
    found = client.get(f"/api/v1/uploads?sha256={sha256(DATA)}").json()["results"]
    assert [(row["uuid"], row["offset_bytes"]) for row in found] == [(upload.uuid, 5)]
    assert len(client.get("/api/v1/uploads").json()["results"]) == 2
