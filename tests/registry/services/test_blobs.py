"""Bytes by digest, on a file system and on an S3 store."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from config.core import clock, storage
from registry.errors import BlobDamaged, BlobNotFound
from registry.models import Blob
from registry.services import blobs

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["filesystem", "s3"])
def store(request: Any, settings: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "filesystem":
        blobs_settings = {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "blobs", "file_permissions_mode": 0o440},
        }
        settings.STORAGES = {**settings.STORAGES, "blobs": blobs_settings}
        yield request.param
        return
    bucket = f"blobs-{uuid.uuid4().hex}"  # moto keeps one state for all its servers
    access = {
        "endpoint_url": request.getfixturevalue("moto"),
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "region_name": "us-east-1",
    }
    boto3.client("s3", **access).create_bucket(Bucket=bucket)
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": bucket,
                "endpoint_url": access["endpoint_url"],
                "access_key": "test",
                "secret_key": "test",
                "region_name": "us-east-1",
                "signature_version": "s3v4",
                "addressing_style": "path",
                "file_overwrite": True,
                "max_memory_size": 1 << 20,
            },
        },
    }
    yield request.param


def test_bytes_come_back_under_their_digest_and_are_kept_once_L24_L29(store: str) -> None:
    data = os.urandom(3 << 20)
    blob = blobs.store(io.BytesIO(data))
    assert (blob.sha256, blob.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert blobs.store(io.BytesIO(data)) == blob
    assert not storage.put([data]).is_new
    assert Blob.objects.count() == 1
    with blobs.open(blob) as stream:
        assert stream.read() == data
    blobs.verify(blob)


def test_empty_bytes_are_bytes_too(store: str) -> None:
    blob = blobs.store(io.BytesIO(b""))
    assert blob.size_bytes == 0
    blobs.verify(blob)


def test_an_interrupted_stream_leaves_nothing_visible(store: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.store_pieces(broken())
    assert Blob.objects.count() == 0
    folders, _ = storage.blob_storage().listdir("")
    assert "sha256" not in folders


def test_damaged_and_lost_bytes_are_found_and_healed_by_the_same_bytes_M9(
    settings: Any, tmp_path: Path
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        },
    }
    blob = blobs.store(io.BytesIO(b"weights"))
    path = tmp_path / blob.key
    path.write_bytes(b"w3ights")
    with pytest.raises(BlobDamaged):
        blobs.verify(blob)
    path.write_bytes(b"cut")
    blobs.store(io.BytesIO(b"weights"))
    blobs.verify(blob)
    path.unlink()
    with pytest.raises(BlobNotFound):
        blobs.open(blob)


def test_a_kill_while_bytes_arrive_leaves_nothing_under_a_digest_M9(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, sys, time
        import django
        django.setup()
        from django.conf import settings
        settings.STORAGES = {**settings.STORAGES, "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": sys.argv[1]}}}
        from config.core import storage
        def pieces():
            yield b"x" * (1 << 20)
            print("half", flush=True)
            sys.stdin.read()
        storage.put(pieces())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=django_settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert not (tmp_path / "sha256").exists()
    assert len(list((tmp_path / "incoming").iterdir())) == 1
    later = clock.now().timestamp() + 100
    assert _sweep(tmp_path, later) == 1
    assert not list((tmp_path / "incoming").iterdir())


def _sweep(folder: Path, now_seconds: float) -> int:
    stores = {
        **django_settings.STORAGES,
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder},
        },
    }
    with override_settings(STORAGES=stores):
        assert storage.sweep_incoming(older_than_seconds=1000, now_seconds=now_seconds) == 0
        return storage.sweep_incoming(older_than_seconds=10, now_seconds=now_seconds)
