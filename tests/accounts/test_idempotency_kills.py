"""A web process is killed before and after the act of a request with a key: it is done once."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from compliance.models import AuditEvent, Stop
from config.accounts.roles import Role
from config.stack.ports import free_port
from tests.factories import accounts
from tests.flows.waiting import until
from tests.kills.running import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("kills")]


class Web:
    """One web process after the other on one port; each is killed by its id."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1/stops"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(self.port)],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "FORMULARY_HOME": str(settings.FORMULARY_HOME),
                "FORMULARY_FAILPOINTS": str(self.folder),
                "WORK_TAKE_OVER_SECONDS": "3",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, seconds=90)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=5).status_code == 401
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def kill_at(self, failpoint: str, send: Any) -> None:
        """Kill the process that handles ``send()`` while it is held at the failpoint."""
        (self.folder / failpoint).touch()
        with ThreadPoolExecutor(max_workers=1) as pool:
            sent = pool.submit(send)
            until(lambda: list(self.folder.glob(f"{failpoint}.*.reached")), seconds=60)
            self.kill()
            with pytest.raises(httpx.TransportError):
                sent.result(30)
        (self.folder / failpoint).unlink()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    made.start()
    yield made
    made.kill()


def test_a_killed_request_is_done_once_whatever_its_moment(web: Web) -> None:
    text = accounts.token_text(accounts.user(Role.OPERATOR))

    def send(digest: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": digest[:8]}
        body = {"digest": digest, "reason": "wrong answers"}
        return httpx.post(web.url, json=body, headers=headers, timeout=60)

    def settled(digest: str) -> httpx.Response:
        pause = threading.Event()
        while (answer := send(digest)).headers.get("Retry-After"):
            assert answer.json()["code"] == "idempotency-key-in-use"
            pause.wait(float(answer.headers["Retry-After"]))
        return answer

    before, after = "ab" * 32, "cd" * 32
    web.kill_at("stop.listed", lambda: send(before))
    assert not Stop.objects.exists()
    web.start()
    assert settled(before).status_code == 201  # nothing had committed: the retry did it
    web.kill_at("stop.recorded", lambda: send(after))
    web.start()
    answer = settled(after)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-answer-lost")
    assert f"It did: stop.issued digest {after}." in answer.json()["detail"]
    assert set(Stop.objects.values_list("digest", flat=True)) == {before, after}
    # The list outside the database has the first one: a process that starts may be there before us.
    events = AuditEvent.objects.filter(action__in=["stop.issued", "stop.brought_back"])
    assert sorted(events.values_list("object_id", flat=True)) == [before, after]
