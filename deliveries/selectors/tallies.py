"""What Prometheus is told of this room: sums of what is settled, and counts of what came since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum

from deliveries.models import DeliveryJob, DeliverySum, LoraEntry
from deliveries.states import DeliveryState, Mode

LATENCY_BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTally:
    """Jobs of a mode since ever. ``within``: ended jobs that took at most each bucket's seconds."""

    enqueued: int = 0
    succeeded: int = 0
    failed: int = 0
    took_ms: int = 0
    within: tuple[int, ...] = (0,) * len(LATENCY_BUCKETS_SECONDS)

    @property
    def ended(self) -> int:
        """Jobs that are over."""
        return self.succeeded + self.failed

    @property
    def latency_sum_seconds(self) -> float:
        """What all ended jobs took."""
        return self.took_ms / 1000

    def __add__(self, other: "DeliveryTally") -> "DeliveryTally":
        return DeliveryTally(
            enqueued=self.enqueued + other.enqueued,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            took_ms=self.took_ms + other.took_ms,
            within=tuple(a + b for a, b in zip(self.within, other.within, strict=True)),
        )


def delivery_tallies() -> Mapping[Mode, DeliveryTally]:
    """The tally of every mode; a job takes from being taken in to its end, pauses included.

    Reads the sums, and by index the jobs of the minutes since: never all of them.
    """
    since, settled = settled_tallies()
    recent = tallies_between(since, None)
    return {mode: settled[mode] + recent[mode] for mode in Mode}


def settled_tallies() -> tuple[datetime | None, Mapping[Mode, DeliveryTally]]:
    """Until when jobs are added up, and their sums; None and zeros before the first time."""
    rows = {row.mode: row for row in DeliverySum.objects.all()}
    bounds = list(LATENCY_BUCKETS_SECONDS)
    usable = [rows[mode] for mode in Mode if mode in rows and rows[mode].bounds == bounds]
    moments = {row.until for row in usable}
    if len(usable) < len(Mode) or len(moments) > 1:
        return None, {mode: DeliveryTally() for mode in Mode}
    return moments.pop(), {
        Mode(row.mode): DeliveryTally(
            enqueued=row.enqueued,
            succeeded=row.succeeded,
            failed=row.failed,
            took_ms=row.took_ms,
            within=tuple(row.within),
        )
        for row in usable
    }


def tallies_between(since: datetime | None, until: datetime | None) -> Mapping[Mode, DeliveryTally]:
    """Jobs taken in, and jobs ended, from ``since`` to before ``until``; None is no bound."""
    buckets = {
        f"within_{index}": Count("pk", filter=Q(latency_ms__lte=round(1000 * seconds)))
        for index, seconds in enumerate(LATENCY_BUCKETS_SECONDS)
    }
    taken_in = _between("created_at", since, until).annotate(enqueued=Count("pk"))
    ended: Iterable[Mapping[str, Any]] = _between("finished_at", since, until).annotate(
        succeeded=Count("pk", filter=Q(state=DeliveryState.SUCCEEDED)),
        failed=Count("pk", filter=Q(state=DeliveryState.FAILED)),
        took=Sum("latency_ms"),
        **buckets,
    )
    found = {mode: DeliveryTally() for mode in Mode}
    for row in taken_in:
        found[Mode(row["mode"])] = DeliveryTally(enqueued=row["enqueued"])
    for row in ended:
        mode = Mode(row["mode"])
        found[mode] = replace(
            found[mode],
            succeeded=row["succeeded"],
            failed=row["failed"],
            took_ms=row["took"] or 0,
            within=tuple(row[name] for name in buckets),
        )
    return found


def _between(field: str, since: datetime | None, until: datetime | None) -> Any:
    rows = DeliveryJob.objects.order_by().filter(**{f"{field}__isnull": False})
    if since is not None:
        rows = rows.filter(**{f"{field}__gte": since})
    if until is not None:
        rows = rows.filter(**{f"{field}__lt": until})
    return rows.values("mode")


def entry_counts() -> tuple[int, int]:
    """Entries of the LoRA manager, and those of them in the prompt set."""
    there = LoraEntry.objects.filter(deleted_at=None)
    counts = there.aggregate(all=Count("pk"), active=Count("pk", filter=Q(is_compose_active=True)))
    return counts["all"], counts["active"]
