"""Chunks into other stores, and two at once."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from config.accounts.models import User
from config.core import storage
from registry.errors import UploadBusy, UploadComplete, UploadOffsetWrong
from registry.models import Blob, Upload
from registry.services import blobs, uploads
from tests.factories import accounts
from tests.registry.services.test_blobs import store

from .conftest import Chunks, sha256, unique

__all__ = ["store"]


@pytest.mark.django_db
def test_whole_files_reach_every_store_once(store: str, client: APIClient, folder: Path) -> None:
    data = unique(200_000)
    upload = Chunks(client, data)
    upload.send(0, 100_000)
    assert upload.send(100_000).json()["state"] == "done"
    blob = Blob.objects.get(sha256=sha256(data))
    blobs.verify(blob)
    assert client.head(f"/api/v1/blobs/{blob.sha256}")["Content-Length"] == "200000"
    assert Chunks(client, data).send(0).json()["state"] == "done"
    assert not list(folder.iterdir())
    storage.blob_storage().delete(blob.key)
    assert client.head(f"/api/v1/blobs/{blob.sha256}").status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", range(3))
def test_of_chunks_that_come_together_each_byte_is_written_once(
    folder: Path, round_number: int
) -> None:
    """Eight threads send the same chunks: whoever is late is told so, and the file is right."""
    owner: User = accounts.engineer()
    data = unique(400_000)
    upload = uploads.begin(owner=owner, size_bytes=len(data), sha256=sha256(data))
    start = threading.Barrier(8, timeout=60)
    written: list[int] = []
    others: list[Exception] = []

    def send() -> None:
        start.wait()
        for offset in range(0, len(data), 100_000):
            try:
                uploads.receive(
                    upload=upload, offset_bytes=offset, pieces=[data[offset : offset + 100_000]]
                )
                written.append(offset)
            except (UploadBusy, UploadOffsetWrong, UploadComplete) as error:
                others.append(error)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(written) == len(set(written))
    assert len(written) + len(others) == 8 * 4
    row = Upload.objects.get()
    for offset in range(row.offset_bytes, len(data), 100_000):
        uploads.receive(upload=row, offset_bytes=offset, pieces=[data[offset : offset + 100_000]])
    row.refresh_from_db()
    assert row.is_done
    with blobs.open(Blob.objects.get(sha256=sha256(data))) as stream:
        assert stream.read() == data


@pytest.mark.django_db(transaction=True)
def test_two_beginnings_at_once_do_not_both_pass_the_quota(folder: Path, settings: Any) -> None:
    settings.UPLOAD_OPEN_MAX = 1
    owner = accounts.engineer()
    start = threading.Barrier(6, timeout=60)

    def begin() -> None:
        start.wait()
        try:
            uploads.begin(owner=owner, size_bytes=1)
        except uploads.UploadQuotaReached:
            refused.append(True)
        connection.close()

    refused: list[bool] = []
    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (Upload.objects.count(), len(refused)) == (1, 5)
