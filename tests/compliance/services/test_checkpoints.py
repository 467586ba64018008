"""Checkpoints: when, where, and at what cost."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance.models import AuditEvent, Checkpoint
from compliance.services import checkpoints, sealing
from compliance.services.verification import verify
from config.core import clock
from tests.compliance.services.test_audit import write

pytestmark = pytest.mark.django_db


def _log(n: int) -> None:
    for _ in range(n):
        write()
    sealing.seal_pending()


def test_a_checkpoint_is_written_beside_the_database(checkpoint_folder: Path) -> None:
    assert checkpoints.write_due() is None
    _log(3)
    written = checkpoints.write_due()
    assert written is not None
    path = checkpoint_folder / f"{written.created_at:%Y-%m-%d}" / "000000000003.txt"
    assert path.read_text() == written.note
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert written.note.splitlines()[1] == "3"


def test_the_next_one_waits_a_minute_or_a_thousand_events(checkpoint_folder: Path) -> None:
    _log(1)
    assert checkpoints.write_due()
    _log(1)
    assert checkpoints.write_due() is None
    with clock.frozen_at(clock.now() + timedelta(seconds=61)):
        assert checkpoints.write_due()
    AuditEvent.objects.bulk_create(
        AuditEvent(action="test.many", actor_name="x", object_type="t", object_id="1", body="{}")
        for _ in range(1000)
    )
    sealing.seal_pending()
    written = checkpoints.write_due()
    assert written is not None and written.size == 1002


def test_a_lost_file_is_written_again(checkpoint_folder: Path) -> None:
    _log(2)
    checkpoints.write_due()
    next(checkpoint_folder.glob("*/*.txt")).unlink()
    assert checkpoints.write_due() is None
    assert len(list(checkpoint_folder.glob("*/*.txt"))) == 1


def test_a_head_reads_only_what_is_new(checkpoint_folder: Path) -> None:
    _log(40)
    checkpoints.write_due(is_forced=True)
    _log(2)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        written = checkpoints.write_due(is_forced=True)
    assert written is not None and len(written.frontier) == written.size.bit_count()
    reading = [q["sql"] for q in queries if '"sequence" > 40' in q["sql"]]
    assert len(reading) == 1
    assert verify().is_clean


def test_a_forged_checkpoint_is_refused(checkpoint_folder: Path) -> None:
    _log(2)
    checkpoints.write_due()
    Checkpoint.objects.update(note=Checkpoint.objects.get().note.replace("\n2\n", "\n3\n"))
    bad = verify().first_bad
    assert bad is not None and "did not sign" in bad.text
