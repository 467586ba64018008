"""Nudges: from any thread, to the configured broker, and quick where it is away."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from celery import current_app

from compliance import tasks

ROOT = Path(__file__).resolve().parents[2]


def test_a_nudge_of_any_thread_reaches_the_queue() -> None:
    """The web server's threads did not make the Celery app; they send by it all the same."""
    names: list[str] = []

    def send() -> None:
        names.append(current_app.main)
        tasks.nudge(tasks.execute_check_run, 0)

    with current_app.connection_for_read() as connection:
        client = connection.default_channel.client
        before = client.llen("checks")
        thread = threading.Thread(target=send)
        thread.start()
        thread.join(20)
        assert names == ["formulary"]
        assert client.llen("checks") == before + 1
        client.rpop("checks")


def test_a_broker_that_is_away_holds_nobody_up() -> None:
    script = (
        "import time, django; django.setup()\n"
        "from compliance import tasks\n"
        "tasks.nudge(tasks.execute_check_run, 1)\n"  # imports what it sends with
        "start = time.monotonic()\n"
        "tasks.nudge(tasks.execute_check_run, 1)\n"
        "assert time.monotonic() - start < 3, time.monotonic() - start\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "REDIS_URL": "redis://127.0.0.1:9/0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the sweep will do it" in done.stdout + done.stderr
