"""A large upload and download through a real server: its memory stays flat."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.db import connection

from registry.models import Blob, Version
from tests.factories import accounts
from tests.factories import registry as make

SIZE_BYTES = 300 << 20
ALLOWED_GROWTH_BYTES = 60 << 20
BORDER = "XXborderXX"


def _database_url() -> str:
    values = connection.settings_dict
    return (
        f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
        f"/{values['NAME']}"
    )


@contextlib.contextmanager
def _server() -> Iterator[tuple[int, str]]:
    """A uvicorn on a free port over the test's database; yields its process id and address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "config.asgi:application",
            "--fd",
            str(listener.fileno()),
        ],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": _database_url()},
        pass_fds=[listener.fileno()],
    )
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    try:
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def _body(size_bytes: int) -> Iterator[bytes]:
    files = make.package()
    files["optimizer.bin"] = b""
    for path, data in files.items():
        yield (
            f'--{BORDER}\r\nContent-Disposition: form-data; name=files; filename="{path}"\r\n\r\n'
        ).encode()
        yield data
        if path == "optimizer.bin":
            piece = os.urandom(1 << 20)
            for _ in range(size_bytes >> 20):
                yield piece
        yield b"\r\n"
    yield f"--{BORDER}--\r\n".encode()


@pytest.mark.django_db(transaction=True)
def test_300_megabytes_up_and_down_keep_memory_flat() -> None:
    if connection.vendor != "postgresql" or not Path("/proc/self/status").exists():
        pytest.skip("needs a server process beside the test's database, and /proc")
    user = accounts.engineer()
    make.adapter(slug="large", owner=user)
    headers = {
        "Authorization": f"Bearer {accounts.token_text(user)}",
        "Content-Type": f"multipart/form-data; boundary={BORDER}",
    }
    url = "/api/v1/adapters/large/versions"
    with _server() as (pid, address), httpx.Client(base_url=address, timeout=120) as client:
        # A small upload first: what the server imports only then is not the upload's memory.
        assert client.post(url, headers=headers, content=_body(1 << 20)).status_code == 201
        before_bytes = _peak_bytes(pid)
        answer = client.post(url, headers=headers, content=_body(SIZE_BYTES))
        assert answer.status_code == 201, answer.text
        sha256 = Blob.objects.get(size_bytes=SIZE_BYTES).sha256
        digest = hashlib.sha256()
        with client.stream("GET", f"/api/v1/blobs/{sha256}", headers=headers) as download:
            for piece in download.iter_bytes():
                digest.update(piece)
        grown_bytes = _peak_bytes(pid) - before_bytes
    assert digest.hexdigest() == sha256
    assert Version.objects.count() == 2
    assert grown_bytes < ALLOWED_GROWTH_BYTES
