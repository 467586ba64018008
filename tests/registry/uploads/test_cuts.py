"""200 MB through a real server whose process is killed in the middle, by a client that is too."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from config.core.digests import sha256_file
from config.stack.ports import free_port
from deliveries.cli.access import Access
from deliveries.cli.api import Api
from deliveries.cli.push import push
from deliveries.cli.screen import Screen
from registry.models import Blob, Upload, Version
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.gateway import until
from tests.registry.api.test_upload_memory import _database_url

SIZE_BYTES = 200 << 20
ALLOWED_GROWTH_BYTES = 60 << 20
CHUNK_POINT, LINK_POINT = "upload.chunk_synced", "upload.whole_linked"


class Web:
    """One uvicorn on one port; killed without warning and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.failpoints = folder / "failpoints"
        self.failpoints.mkdir()
        self.peak_bytes = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(self.port)],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": _database_url(),
                "FORMULARY_FAILPOINTS": str(self.failpoints),
            },
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, seconds=60)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None
        try:
            return httpx.get(f"{self.url}/accounts/login/", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def pss_bytes(self) -> int:
        """The memory of the process, shared pages by their share; the most is kept."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        line = next(line for line in text.splitlines() if line.startswith("Pss:"))
        found = int(line.split()[1]) * 1024
        self.peak_bytes = max(self.peak_bytes, found)
        return found

    def kill_at(self, point: str) -> None:
        """Let it come to ``point``, kill it there, start it again."""
        armed = self.failpoints / point
        armed.touch()
        until(lambda: list(self.failpoints.glob(f"{point}.*.reached")), seconds=60)
        self.pss_bytes()
        self.kill()
        armed.unlink()
        self.start()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def _folder(folder: Path, size_bytes: int) -> Path:
    folder.mkdir()
    for path, data in make.package(seed=size_bytes % 1000).items():
        (folder / path).write_bytes(data)
    piece = os.urandom(1 << 20)
    with (folder / "large.bin").open("wb") as stream:
        for number in range(size_bytes >> 20):
            stream.write(number.to_bytes(8, "big") + piece[8:])
    return folder


def _push(web: Web, token: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "deliveries.cli", "push", str(folder), "--adapter", "large"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "FORMULARY_URL": web.url, "FORMULARY_TOKEN": token},
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.xdist_group("uploads")
def test_killed_on_both_sides_it_arrives_whole_and_memory_stays_flat(
    web: Web, tmp_path: Path
) -> None:
    user = accounts.engineer()
    make.adapter(slug="large", owner=user)
    token = accounts.token_text(user)
    # What the server imports with the first upload is not the upload's memory.
    assert _push(web, token, _folder(tmp_path / "small", 1 << 20)).wait(60) == 0
    before_bytes = web.pss_bytes()
    folder = _folder(tmp_path / "run", SIZE_BYTES)

    first = _push(web, token, folder)
    until(lambda: _arrived_bytes() > SIZE_BYTES // 5, seconds=60)
    first.kill()
    first.wait(20)
    stands_bytes = _arrived_bytes()
    assert 0 < stands_bytes < SIZE_BYTES
    second = _push(web, token, folder)
    until(lambda: web.pss_bytes() and _arrived_bytes() > stands_bytes, seconds=60)
    web.kill_at(CHUNK_POINT)
    until(lambda: web.pss_bytes() and _arrived_bytes() > SIZE_BYTES // 2, seconds=60)
    web.kill_at(LINK_POINT)
    assert second.wait(120) == 0
    web.pss_bytes()
    assert web.peak_bytes - before_bytes < ALLOWED_GROWTH_BYTES

    blob = Blob.objects.get(size_bytes=SIZE_BYTES)
    assert blob.sha256 == sha256_file(folder / "large.bin")
    stored = Path(os.environ["FORMULARY_HOME"]) / "blobs" / blob.key
    assert sha256_file(stored) == blob.sha256
    assert not list((Path(os.environ["FORMULARY_HOME"]) / "uploads").glob("*.part"))
    assert Version.objects.filter(files__blob=blob).count() == 1
    assert not Upload.objects.exists()
    assert _methods_of_a_second_push(web, token, folder) == ["HEAD", "HEAD", "HEAD", "POST 200"]


def _arrived_bytes() -> int:
    found = Upload.objects.filter(size_bytes=SIZE_BYTES).order_by("-offset_bytes").first()
    return found.offset_bytes if found else 0


def _methods_of_a_second_push(web: Web, token: str, folder: Path) -> list[str]:
    seen: list[str] = []

    def note(answer: httpx.Response) -> None:
        method = answer.request.method
        seen.append(method if method == "HEAD" else f"{method} {answer.status_code}")

    options: dict[str, Any] = {"version_name": "", "notes": "", "parent": "", "label_file": None}
    with Api(Access(web.url, token)) as api:
        api.answered.append(note)
        push(
            api, Screen(is_json=True), path=folder, adapter="large", must_wait=False,
            timeout_seconds=1, **options,
        )  # fmt: skip
    return seen
