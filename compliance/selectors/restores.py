"""Reads of restores: whether serving is held, and whether the database is older than it was."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Max, QuerySet

from compliance.errors import CheckpointUnreadable
from compliance.models import AuditEvent, Checkpoint, Epoch, Permission, Restore
from compliance.selectors.checkpoints import CheckpointFile, read_file
from compliance.selectors.refs import parse_uuid
from compliance.selectors.stop_list import stop_list
from config.core.errors import NotFound

_FILES_READ = 100


@dataclass(frozen=True)
class Lag:
    """What outside the database is ahead of it; see ``Restore``."""

    evidence: str
    checkpoint_size: int
    trail_size: int
    listed_epoch: int
    stops_epoch: int


def held() -> QuerySet[Restore]:
    """Restores after which nobody has let serving go on."""
    return Restore.objects.filter(resumed_at__isnull=True)


def is_held() -> bool:
    """Whether nothing may be served, because the database was restored."""
    return held().exists()


def all_restores() -> QuerySet[Restore]:
    """Restores, resumed ones too, newest first."""
    return Restore.objects.select_related("resume_asked_by", "resumed_by")


def restore_by_uuid(uuid: UUID | str) -> Restore:
    """The restore with this uuid.

    Raises:
        NotFound: there is none.
    """
    found = all_restores().filter(uuid=parse_uuid(uuid)).first()
    if found is None:
        raise NotFound(f"There is no restore {uuid}.", fix="List /api/v1/restores.")
    return found


def find_lag() -> Lag | None:
    """How the database is older than what lies outside it; None where it is not, or was noticed.

    The newest checkpoint file that our key signed has a row of its own, which was committed before
    the file was written; and no line of the list of stops counts further than the database. Files
    are read first. A database that permits nothing has nothing to hold.

    Raises:
        OSError: a file is there and can't be read.
    """
    checkpoint = _newest_signed()
    listed_epoch = stop_list().epoch
    evidence = []
    # Each piece of evidence holds serving once: it stays after it was looked at.
    known = " ".join(Restore.objects.values_list("evidence", flat=True))
    if checkpoint is not None:
        size, root = checkpoint.head.size, checkpoint.head.root.hex()
        if not Checkpoint.objects.filter(size=size, root=root).exists():
            evidence.append(f"[checkpoint {size} {root[:32]}]")
    stops_epoch = Epoch.objects.values_list("stops", flat=True).first() or 0
    if listed_epoch > stops_epoch:
        evidence.append(f"[stops {listed_epoch}]")
    fresh = [piece for piece in evidence if piece not in known]
    if not fresh or not Permission.objects.exists():
        return None
    trail_size = AuditEvent.objects.aggregate(size=Max("sequence"))["size"] or 0
    return Lag(
        evidence=" ".join(fresh),
        checkpoint_size=checkpoint.head.size if checkpoint is not None else 0,
        trail_size=trail_size,
        listed_epoch=listed_epoch,
        stops_epoch=stops_epoch,
    )


def _newest_signed() -> CheckpointFile | None:
    """The largest checkpoint that our key signed; others, however large, hide nothing."""
    files = Path(settings.CHECKPOINT_FOLDER).glob("*/[0-9]*.txt")
    for path in sorted(files, key=lambda path: path.stem, reverse=True)[:_FILES_READ]:
        try:
            found = read_file(path)
        except CheckpointUnreadable:
            continue  # verify_audit is who complains of it
        if found.is_signed:
            return found
    return None
