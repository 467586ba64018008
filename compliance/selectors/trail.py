"""Compares the trail with the checkpoint files; files that a restore outran are told apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Max

from compliance.domain.merkle import Frontier
from compliance.errors import CheckpointUnreadable
from compliance.models import AuditEvent, Checkpoint, Restore
from compliance.selectors.audit import parse_body
from compliance.selectors.checkpoints import CheckpointFile, read_file


@dataclass(frozen=True)
class Explanation:
    """A resumed restore: files of more than ``after`` and up to ``upto`` entries are outrun."""

    restore: str
    after: int
    upto: int
    persons: tuple[str, str]

    def covers(self, size: int) -> bool:
        """Whether a checkpoint of this size was signed over entries that the backup lacks."""
        return self.after < size <= self.upto

    def __str__(self) -> str:
        asked, resumed = self.persons
        return (
            f"explained by restore {self.restore} (back to {self.after} entries; "
            f"{asked} asked, {resumed} resumed)"
        )


def explanations() -> list[Explanation]:
    """What restores explain that were noticed, asked for by one person and resumed by another.

    The sizes are those of the sealed event; the row, which is in no chain, must only not contradict
    it. Nothing is signed between ``after`` and ``upto`` later on, so only old files are covered.
    """
    rows = Restore.objects.filter(resumed_at__isnull=False, resume_asked_by__isnull=False)
    found = (_explanation(row) for row in rows.select_related("resume_asked_by", "resumed_by"))
    return [each for each in found if each is not None]


def _explanation(row: Restore) -> Explanation | None:
    events = {
        action: AuditEvent.objects.filter(
            action=action,
            object_type="restore",
            object_id=str(row.uuid),
            sequence__gt=row.trail_size,
        )
        .order_by("sequence")
        .first()
        for action in ("restore.noticed", "restore.resume_asked", "restore.resumed")
    }
    noticed, asked, resumed = events.values()
    if noticed is None or asked is None or resumed is None:
        return None
    first, second = row.resume_asked_by, row.resumed_by
    if first is None or second is None or None in (first.person_id, second.person_id):
        return None
    try:
        body = parse_body(noticed)
        upto, after = body["diff"]["trail_size"]
        is_named = f"[checkpoint {upto} " in body["reason"]
        acted = [parse_body(event)["actor"]["person"] for event in (asked, resumed)]
    except (ValueError, TypeError, KeyError):
        return None  # the chain's own check names the entry
    are_two = first.person_id != second.person_id
    if not are_two or acted != [str(first.person_id), str(second.person_id)]:
        return None
    if not is_named or (upto, after) != (row.checkpoint_size, row.trail_size):
        return None
    return Explanation(str(row.uuid), after, upto, (asked.actor_name, resumed.actor_name))


def files() -> list[Path]:
    """The checkpoint files of the folder, smallest first."""
    found = Path(settings.CHECKPOINT_FOLDER).glob("*/[0-9]*.txt")
    return sorted(found, key=lambda path: (path.stem, path.parent.name))


def find_rewrite() -> str:
    """How the trail contradicts the newest file that no restore explains; empty where it does not.

    Cheap: it begins at the table's nearest checkpoint. That row need not be trusted, because what
    is built on it must come to the root in the file, which the log key signed.
    """
    explained = explanations()
    newest = next(_newest_first(explained), None)
    if newest is None:
        return ""
    # Files are read first: each was written after its entries were sealed.
    size, where = newest.head.size, newest.path.name
    entries = AuditEvent.objects.aggregate(size=Max("sequence"))["size"] or 0
    if size > entries:
        return f"{where} was signed over {size} entries, the log has only {entries}"
    frontier = _frontier_at(size)
    if frontier is None or frontier.root() != newest.head.root:
        return f"{where} was signed over another log of {size} entries"
    return ""


def _by_day() -> Iterator[Path]:
    """The files, newest day first, in it the largest first; years of days are not listed."""
    days = sorted(Path(settings.CHECKPOINT_FOLDER).glob("*"), reverse=True)
    for day in days:
        yield from sorted(day.glob("[0-9]*.txt"), reverse=True)


def _newest_first(explained: list[Explanation]) -> Iterator[CheckpointFile]:
    for path in _by_day():
        try:
            found = read_file(path)
        except CheckpointUnreadable:
            continue  # verify_audit is who complains of it
        if found.is_signed and not any(each.covers(found.head.size) for each in explained):
            yield found


def _frontier_at(size: int) -> Frontier | None:
    """The tree of the first ``size`` entries; None where one is missing or a row is damaged."""
    nearest = Checkpoint.objects.filter(size__lte=size).order_by("-size").first()
    try:
        frontier = Frontier.from_hex(nearest.size, nearest.frontier) if nearest else Frontier()
        if frontier.size == size:
            return frontier
        rows = AuditEvent.objects.filter(sequence__gt=frontier.size, sequence__lte=size)
        for leaf in rows.order_by("sequence").values_list("event_hash", flat=True).iterator(2000):
            frontier.append(bytes.fromhex(leaf))
    except (ValueError, TypeError):
        return None
    return frontier if frontier.size == size else None
