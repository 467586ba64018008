"""A real worker on the real queue: it carries jobs out, and is killed in the middle of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from config.accounts.selectors import actor_of
from config.core import broker
from deliveries.models import DeliveryJob
from deliveries.selectors.deliveries import texts
from deliveries.services import delivery_jobs
from deliveries.states import AttemptState
from deliveries.tasks import sweep_deliveries
from tests.deliveries.delivery.receiver import Receiver
from tests.factories import accounts
from tests.flows.waiting import until
from tests.kills.running import database_url, is_gone

pytestmark = pytest.mark.xdist_group("deliveries")
PROMPT = "calm, Ms Example, <lora:calm:0.750>"
NAME = "courier@test"
CLAIMED, SENT = "delivery.begun", "delivery.before_result"


class Worker:
    """`celery worker` on the queue of deliveries, as the stack starts it."""

    def __init__(self, folder: Path) -> None:
        self.failpoints, self.log = folder / "failpoints", folder / "worker.log"
        self.failpoints.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "EGRESS_ALLOW": "127.0.0.1",
            "WORK_TAKE_OVER_SECONDS": "3",
            "LOG_LEVEL": "INFO",
            "FORMULARY_FAILPOINTS": str(self.failpoints),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "config.celery", "worker", "-n", NAME,
                 "-Q", "deliveries", "-c", "1", "--without-gossip", "--without-mingle"],
                cwd=django_settings.BASE_DIR, env=environment, stdout=subprocess.DEVNULL,
                stderr=log,
            )  # fmt: skip

    def arm(self, point: str) -> None:
        (self.failpoints / point).touch()

    def held_at(self, point: str) -> int:
        """The process that came to an armed failpoint."""
        found = until(lambda: list(self.failpoints.glob(f"{point}.*.reached")), seconds=60)
        return int(found[0].read_text())

    def disarm(self, point: str) -> None:
        (self.failpoints / point).unlink()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def enqueue(
    transactional_db: None, receiver: Receiver, settings: Any, empty_broker: None
) -> Callable[[], DeliveryJob]:
    settings.WORK_TAKE_OVER_SECONDS = 3.0
    actor = actor_of(accounts.engineer())

    def act() -> DeliveryJob:
        return delivery_jobs.enqueue(
            actor=actor, prompt=PROMPT, mode="http", params=receiver.params
        )

    return act


@pytest.fixture
def worker(enqueue: Any, tmp_path: Path) -> Iterator[Worker]:
    made = Worker(tmp_path)
    made.start()
    yield made
    made.kill()


def _ended(job: DeliveryJob) -> DeliveryJob:
    """The job once it is over; the sweep is what beat does every few seconds."""

    def look() -> DeliveryJob | None:
        sweep_deliveries()
        job.refresh_from_db()
        return job if job.finished_at else None

    found: DeliveryJob = until(look, seconds=60)
    return found


def test_a_worker_on_the_queue_ends_a_job_and_says_so_in_lines_of_keys_L25_L26(
    worker: Worker, enqueue: Callable[[], DeliveryJob], receiver: Receiver
) -> None:
    receiver.statuses = [500]
    job = enqueue()
    until(lambda: receiver.got, seconds=60)
    # No sweep here: the pause and the second try are the queue's own.
    until(lambda: DeliveryJob.objects.filter(pk=job.pk, state="succeeded").exists(), seconds=30)
    job.refresh_from_db()
    assert texts(job).result == {
        "status": "ok",
        "detail": {"status_code": 200, "body": '{"ok": true}'},
    }
    first, second = job.attempts.all()
    assert first.finished_at and (second.started_at - first.finished_at).total_seconds() > 0.4
    assert broker.lengths(["deliveries"]) == {"deliveries": 0}
    _require_structured_lines(worker, job)


def _require_structured_lines(worker: Worker, job: DeliveryJob) -> None:
    text = worker.log.read_text()
    assert "Example" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    tried = [line for line in lines if line["event"] == "delivery.tried"]
    assert [(line["object"], line["attempt"], line["state"]) for line in tried] == [
        (str(job.uuid), 1, "failed"),
        (str(job.uuid), 2, "succeeded"),
    ]


def test_a_job_whose_worker_is_killed_is_delivered_exactly_once(
    worker: Worker, enqueue: Callable[[], DeliveryJob], receiver: Receiver
) -> None:
    """Killed before it was sent, then after it was sent and before that was written down."""
    worker.arm(CLAIMED)
    job = enqueue()
    holder = worker.held_at(CLAIMED)
    worker.arm(SENT)
    os.kill(holder, signal.SIGKILL)
    until(lambda: is_gone(holder))
    assert receiver.got == [], "it was claimed, and nothing was sent"
    # Not sooner: it would have gone on. Who takes the job over is let past, if he is here already.
    worker.disarm(CLAIMED)
    until(lambda: _swept() and receiver.got, seconds=60)
    holder = worker.held_at(SENT)
    worker.kill()
    until(lambda: is_gone(holder))
    worker.disarm(SENT)
    assert len(receiver.got) == 1, "it has arrived, and nobody here knows"
    worker.start()
    assert _ended(job).state == "succeeded"
    assert len(receiver.got) >= 2, "so it is sent again"
    assert {got.key for got in receiver.got} == {f"delivery-{job.uuid}"}
    assert list(receiver.delivered.values()) == [receiver.got[0].body], "and taken once"
    # A worker whose machine stands still for seconds is taken for dead, too.
    *lost, last = (attempt.state for attempt in job.attempts.all())
    assert last == AttemptState.SUCCEEDED
    assert len(lost) >= 2 and set(lost) == {AttemptState.LOST}


def _swept() -> bool:
    sweep_deliveries()
    return True
