"""A real worker and a real beat sign that they live; the control loop signs in the database."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.conf import settings
from django.db import connection

from config.core import broker, clock
from serving.control import Control
from serving.models import Heartbeat
from serving.selectors.facts import broker_facts
from tests.architecture.environment import ROOT
from tests.factories.gateway import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("processes")]


@contextmanager
def celery(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    own = connection.settings_dict
    database = f"{own['USER']}:{own['PASSWORD']}@{own['HOST']}:{own['PORT']}/{own['NAME']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "config.celery", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"postgres://{database}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def test_workers_and_beat_sign_and_fall_silent(tmp_path) -> None:
    client = broker._client(settings.REDIS_URL)
    for key in client.scan_iter(match=f"{broker.ALIVE}*"):
        client.delete(key)
    schedule = ["--schedule", str(tmp_path / "beat"), "--pidfile", ""]
    with ExitStack() as stack:
        worker = stack.enter_context(
            celery(
                "worker", "-n", "agent@here", "-Q", "node.n1", "--pool", "prefork",
                "--concurrency", "1", "--without-gossip", "--without-mingle",
            )
        )  # fmt: skip
        stack.enter_context(celery("beat", *schedule))
        until(lambda: {"agent@here", "beat"} <= set(broker.signs()), seconds=60)
        facts = broker_facts(["node.n1"])
        assert facts is not None and facts.fault == ""
        assert facts.workers["agent@here"] == ("node.n1",)
        assert "beat" not in facts.workers, "beat takes nothing"
        assert facts.ages_seconds["agent@here"] < 30
        # What beat sends is seen as waiting: nobody takes this queue here.
        until(lambda: broker.lengths(["control"])["control"] > 0, seconds=30)
        worker.kill()
        worker.wait(20)
        # It signs each two seconds, which would make its sign young again.
        until(lambda: broker.signs()["agent@here"][0] > 2.5, seconds=20)
    client.delete("control", "checks", "evaluations")


def test_the_control_loop_signs_with_its_duties(settings, tmp_path) -> None:
    settings.FORMULARY_HOME = tmp_path / "state"
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"
    control = Control()
    loop = threading.Thread(target=control.run, daemon=True)
    loop.start()
    try:
        named = {"seal", "renew", "nodes", "news", "fallbacks", "checkpoints", "alerts"}

        def duties() -> set[str]:
            row = Heartbeat.objects.filter(name="control").first()
            return set(row.duties) if row is not None else set()

        until(lambda: named <= duties(), seconds=30)
        assert (clock.now() - Heartbeat.objects.get(name="control").at).total_seconds() < 30
    finally:
        control.stop()
        loop.join(30)
    assert not loop.is_alive()
