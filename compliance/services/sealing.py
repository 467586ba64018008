"""Seals audit events into the chain, in the order in which they are found, by one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from compliance.domain.audit_chain import NO_PREVIOUS, Seal, event_hash
from compliance.models import AuditEvent
from compliance.selectors.audit import parse_body
from config.core import clock
from config.core.failpoints import failpoint

BATCH_EVENTS = 1000
LOCK_KEY = 0x464D_4C01


def seal_pending() -> int:
    """Chain the events that are committed and not yet sealed; how many.

    Sequence numbers are given here and not by the row's id, so a transaction that commits after
    one with a higher id just comes later in the chain. Where another process seals, 0.
    """
    sealed = 0
    if not AuditEvent.objects.filter(sequence__isnull=True).exists():
        return 0
    while True:
        count = _seal_batch()
        sealed += count
        if count < BATCH_EVENTS:
            return sealed


def _seal_batch() -> int:
    with transaction.atomic(), only_one() as is_mine:
        if not is_mine:
            return 0
        last = AuditEvent.objects.filter(sequence__isnull=False).order_by("-sequence").first()
        sequence = last.sequence or 0 if last else 0
        previous = last.event_hash if last else NO_PREVIOUS
        rows = list(AuditEvent.objects.filter(sequence__isnull=True).order_by("id")[:BATCH_EVENTS])
        failpoint("sealing.read")
        for row in rows:
            sequence += 1
            row.sequence = sequence
            row.previous_hash = previous
            row.sealed_at = clock.now()
            seal = Seal(
                sequence=sequence,
                previous_hash=previous,
                sealed_at=clock.isoformat(row.sealed_at),
            )
            row.event_hash = previous = event_hash(parse_body(row), seal)
        AuditEvent.objects.bulk_update(
            rows, ["sequence", "previous_hash", "event_hash", "sealed_at"], batch_size=200
        )
        failpoint("sealing.sealed")
        return len(rows)


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether this transaction is the one that may append to the chain until it ends.

    PostgreSQL: an advisory lock of the transaction. SQLite: every transaction here begins as the
    database's one writer (BEGIN IMMEDIATE), so there is no other.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
        yield bool(cursor.fetchone()[0])
