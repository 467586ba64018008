"""The chain: order, leadership, and the four attacks on it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from compliance.domain.audit_chain import NO_PREVIOUS, Seal, event_hash
from compliance.models import AuditEvent, Checkpoint
from compliance.selectors import parse_body
from compliance.services import checkpoints, sealing
from compliance.services.verification import verify
from config.core import clock
from tests.compliance.services.test_audit import write


def _behind_the_application(change: Callable[[], object]) -> None:
    """What somebody who owns the database can do: switch the triggers off."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        change()


def _rehash() -> None:
    """Rewrite the whole chain so that it hangs together again."""
    previous = NO_PREVIOUS
    for sequence, row in enumerate(AuditEvent.objects.order_by("sequence"), start=1):
        seal = Seal(
            sequence=sequence,
            previous_hash=previous,
            sealed_at=clock.isoformat(row.sealed_at),  # type: ignore[arg-type]
        )
        new = event_hash(parse_body(row), seal)
        AuditEvent.objects.filter(pk=row.pk).update(
            sequence=sequence, previous_hash=previous, event_hash=new
        )
        previous = new


def _log(n: int) -> None:
    for index in range(n):
        write(diff={"n": [None, index]})
    sealing.seal_pending()


@pytest.mark.django_db
def test_events_are_chained_without_gaps(checkpoint_folder: Path) -> None:
    _log(5)
    rows = list(AuditEvent.objects.order_by("sequence"))
    assert [row.sequence for row in rows] == [1, 2, 3, 4, 5]
    assert [row.previous_hash for row in rows] == ["", *(row.event_hash for row in rows[:-1])]
    assert sealing.seal_pending() == 0
    report = verify()
    assert report.is_clean
    assert (report.entries, report.head) == (5, rows[-1].event_hash)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_sealed_later(checkpoint_folder: Path) -> None:
    is_written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                write("test.slow")
                is_written.set()
                assert may_commit.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert is_written.wait(20)
    write("test.quick")
    assert sealing.seal_pending() == 1
    may_commit.set()
    thread.join(20)
    assert sealing.seal_pending() == 1
    rows = list(AuditEvent.objects.order_by("sequence"))
    assert [row.action for row in rows] == ["test.quick", "test.slow"]
    assert rows[0].pk > rows[1].pk
    assert verify().is_clean


@pytest.mark.django_db(transaction=True)
def test_two_sealers_at_once_make_one_chain(checkpoint_folder: Path) -> None:
    for index in range(300):
        write(diff={"n": [None, index]})
    start = threading.Barrier(3, timeout=60)

    def seal() -> int:
        try:
            start.wait(20)
            return sealing.seal_pending()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as pool:
        counts = [future.result(30) for future in [pool.submit(seal) for _ in range(3)]]
    # Whoever is not the leader does nothing; nobody runs into the other's sequence.
    assert sum(counts) + sealing.seal_pending() == 300
    assert verify().is_clean


@pytest.mark.django_db
def test_an_edited_row_is_found(checkpoint_folder: Path) -> None:
    _log(5)
    body = AuditEvent.objects.get(sequence=3).body.replace('"n":[null,2]', '"n":[null,9]')
    _behind_the_application(lambda: AuditEvent.objects.filter(sequence=3).update(body=body))
    bad = verify().first_bad
    assert bad is not None
    assert (bad.sequence, bad.text) == (3, "entry 3: content does not match its hash")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "column, value",
    [
        ("actor_name", "somebody else"),
        ("action", "test.other"),
        ("object_id", "2"),
        ("at", clock.now() - timedelta(days=1)),
        ("sealed_at", clock.now() - timedelta(days=1)),
    ],
)
def test_an_edited_column_is_found(checkpoint_folder: Path, column: str, value: object) -> None:
    _log(3)
    rows = AuditEvent.objects.filter(sequence=2)
    _behind_the_application(lambda: rows.update(**{column: value}))
    bad = verify().first_bad
    assert bad is not None and bad.sequence == 2


@pytest.mark.django_db
def test_a_deleted_row_is_found(checkpoint_folder: Path) -> None:
    _log(5)
    _behind_the_application(lambda: AuditEvent.objects.filter(sequence=3).delete())
    bad = verify().first_bad
    assert bad is not None
    assert bad.sequence == 3
    assert "missing" in bad.text


@pytest.mark.django_db
def test_a_cut_tail_is_found_by_the_checkpoint_outside(checkpoint_folder: Path) -> None:
    _log(5)
    written = checkpoints.write_due(is_forced=True)
    assert written is not None and written.size == 5
    _behind_the_application(
        lambda: (
            AuditEvent.objects.filter(sequence__gt=3).delete(),
            Checkpoint.objects.all().delete(),
        )
    )
    bad = verify().first_bad
    assert bad is not None
    assert bad.text.endswith("the log has only 3 verified entries")
    # The trail can't be papered over by going on: no smaller checkpoint is written.
    assert checkpoints.write_due(is_forced=True) is None
    _log(4)
    bad = verify().first_bad
    assert bad is not None and "rewritten" in bad.text


@pytest.mark.django_db
def test_a_cut_tail_without_a_copy_outside_is_not_seen(checkpoint_folder: Path) -> None:
    """Why the copies must lie where the database's owner can't write."""
    _log(5)
    _behind_the_application(lambda: AuditEvent.objects.filter(sequence__gt=3).delete())
    assert verify().is_clean


@pytest.mark.django_db
def test_rehashed_history_is_found_by_the_checkpoint(checkpoint_folder: Path) -> None:
    _log(5)
    checkpoints.write_due(is_forced=True)
    copy = next(checkpoint_folder.glob("*/*.txt"))

    def rewrite() -> None:
        body = AuditEvent.objects.get(sequence=2).body.replace("[null,1]", "[null,7]")
        AuditEvent.objects.filter(sequence=2).update(body=body)
        _rehash()
        Checkpoint.objects.all().delete()

    _behind_the_application(rewrite)
    bad = verify(checkpoint_file=copy).first_bad
    assert bad is not None
    assert "root differs" in bad.text


@pytest.mark.django_db
def test_an_event_that_nobody_seals_is_a_failure(checkpoint_folder: Path) -> None:
    row = write()
    assert verify().is_clean
    with clock.frozen_at(clock.now() + timedelta(seconds=11)):
        bad = verify().first_bad
    assert bad is not None
    assert (bad.what, bad.event_uuid) == ("sealing", str(row.uuid))
