"""The control loop: one leader, errors survived, stops told within the second, ends on SIGTERM."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from django.conf import settings
from django.db import connection

from compliance.models import AuditEvent
from compliance.services import audit, stops
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from serving.control import Control, leadership
from tests.factories.awake import awake_seconds
from tests.factories.gateway import until
from tests.factories.serving import House


def run_in_thread(control: Control) -> threading.Thread:
    thread = threading.Thread(target=control.run, daemon=True)
    thread.start()
    return thread


def test_it_seals_observes_and_tells_stops_at_once(house: House) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    house.live(first)
    control = Control()
    thread = run_in_thread(control)
    try:
        assert control.is_leading.wait(30)
        until(lambda: not AuditEvent.objects.filter(sequence=None).exists())
        stops.issue(
            digest=first.digest, reason="x", user=house.operator, actor=actor_of(house.operator)
        )
        with awake_seconds() as spent:
            until(lambda: first.digest in house.node.state.stops.digests)
            assert spent() < 2.0
        # A duty that fails goes on: the node is gone, the sealing is not.
        house.node.stop()
        audit.record(action="test.event", actor=SYSTEM, object_type="test", object_id="1")
        until(lambda: not AuditEvent.objects.filter(sequence=None).exists())
    finally:
        with awake_seconds() as spent:
            control.stop()
            thread.join(30)
            ended_after = spent()
    assert not thread.is_alive() and ended_after < 2.5


def test_only_one_leads_and_the_next_takes_over(transactional_db: None) -> None:
    with leadership() as holds:
        assert holds()
        second = Control()
        thread = run_in_thread(second)
        assert not second.is_leading.wait(1.5)
    try:
        assert second.is_leading.wait(30)
    finally:
        second.stop()
        thread.join(10)


def test_the_command_ends_within_two_seconds_of_sigterm(
    transactional_db: None, tmp_path: Path
) -> None:
    values = connection.settings_dict
    url = (
        f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
        f"/{values['NAME']}"
    )
    env = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "INFO"}
    log = tmp_path / "control.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_control"],
            cwd=settings.BASE_DIR, env=env, stdout=stream, stderr=stream,
        )  # fmt: skip
        try:
            until(lambda: b"control.leads" in log.read_bytes(), seconds=60)
            with awake_seconds() as spent:
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
                assert spent() < 2.3
        finally:
            process.kill()
            process.wait()
