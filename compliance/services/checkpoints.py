"""Signs the tree head of the audit trail now and then, and keeps copies outside the database."""

import os
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from compliance.domain.merkle import Frontier
from compliance.domain.signed_note import TreeHead, sign
from compliance.models import AuditEvent, Checkpoint
from compliance.selectors.checkpoints import origin
from compliance.selectors.trail import explanations, find_rewrite
from config.core import clock, keys
from config.core.failpoints import failpoint

log = structlog.get_logger(__name__)
EVERY_EVENTS = 1000


def write_due(*, is_forced: bool = False) -> Checkpoint | None:
    """Sign the sealed part of the trail when enough events or time have passed; else None.

    Only the events since the last checkpoint are read. Nothing is signed that contradicts the
    newest file, nor below a file that a resumed restore explains: a trail that shrank or was
    rewritten is not papered over. The alert ``trail_rewritten`` tells people.
    """
    last = Checkpoint.objects.order_by("-size").first()
    size = (
        AuditEvent.objects.order_by("-sequence")
        .exclude(sequence=None)
        .values_list("sequence", flat=True)
        .first()
        or 0
    )
    grown = size - (last.size if last else 0)
    if last:
        write_file(last)  # its process may have been killed before it could
    if grown <= 0:
        return None
    is_due = is_forced or last is None or grown >= EVERY_EVENTS
    every = timedelta(seconds=settings.CHECKPOINT_SECONDS)
    if not is_due and last is not None and clock.now() - last.created_at < every:
        return None
    if find_rewrite():
        log.error("checkpoint.refused", error_type="trail_rewritten")
        return None
    # A restored log first outgrows the files from before: each of their sizes stays theirs alone.
    if any(size <= each.upto for each in explanations()):
        return None
    frontier = Frontier.from_hex(last.size, last.frontier) if last else Frontier()
    rows = AuditEvent.objects.filter(sequence__gt=frontier.size, sequence__lte=size)
    for leaf in rows.order_by("sequence").values_list("event_hash", flat=True).iterator(2000):
        frontier.append(bytes.fromhex(leaf))
    if frontier.size != size:
        return None  # a gap in the sequence: the verifier names it
    return _store(frontier)


def _store(frontier: Frontier) -> Checkpoint | None:
    head = TreeHead(origin(), frontier.size, frontier.root())
    note = sign(head, name=head.origin, key=keys.log_key())
    try:
        with transaction.atomic():
            checkpoint = Checkpoint.objects.create(
                size=head.size,
                root=head.root.hex(),
                frontier=frontier.as_hex(),
                note=note,
                created_at=clock.now(),
            )
    except IntegrityError:
        return None  # another process signed the same size a moment ago
    failpoint("checkpoint.stored")
    write_file(checkpoint)
    failpoint("checkpoint.written")
    return checkpoint


def write_file(checkpoint: Checkpoint) -> Path:
    """Put a checkpoint's note into the folder, beside first and then renamed; once."""
    day = checkpoint.created_at.strftime("%Y-%m-%d")
    path = Path(settings.CHECKPOINT_FOLDER) / day / f"{checkpoint.size:012d}.txt"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(checkpoint.note)
        stream.flush()
        os.fsync(stream.fileno())
    beside.rename(path)
    return path
