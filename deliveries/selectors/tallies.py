"""What Prometheus is told of this room: counts by mode, read in two queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, Sum

from deliveries.models import DeliveryJob, LoraEntry
from deliveries.states import DeliveryState, Mode

LATENCY_BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTally:
    """Jobs of a mode since ever. ``within``: ended jobs that took at most each bucket's seconds."""

    enqueued: int = 0
    succeeded: int = 0
    failed: int = 0
    latency_sum_seconds: float = 0.0
    within: tuple[int, ...] = (0,) * len(LATENCY_BUCKETS_SECONDS)

    @property
    def ended(self) -> int:
        """Jobs that are over."""
        return self.succeeded + self.failed


def delivery_tallies() -> Mapping[Mode, DeliveryTally]:
    """The tally of every mode; a job takes from being taken in to its end, pauses included."""
    buckets = {
        f"within_{index}": Count("pk", filter=Q(latency_ms__lte=round(1000 * seconds)))
        for index, seconds in enumerate(LATENCY_BUCKETS_SECONDS)
    }
    rows: Iterable[Mapping[str, Any]] = (
        DeliveryJob.objects.order_by()
        .values("mode")
        .annotate(
            enqueued=Count("pk"),
            succeeded=Count("pk", filter=Q(state=DeliveryState.SUCCEEDED)),
            failed=Count("pk", filter=Q(state=DeliveryState.FAILED)),
            took_ms=Sum("latency_ms"),
            **buckets,
        )
    )
    found = {
        Mode(row["mode"]): DeliveryTally(
            enqueued=row["enqueued"],
            succeeded=row["succeeded"],
            failed=row["failed"],
            latency_sum_seconds=(row["took_ms"] or 0) / 1000,
            within=tuple(row[name] for name in buckets),
        )
        for row in rows
    }
    return {mode: found.get(mode, DeliveryTally()) for mode in Mode}


def entry_counts() -> tuple[int, int]:
    """Entries of the LoRA manager, and those of them in the prompt set."""
    there = LoraEntry.objects.filter(deleted_at=None)
    counts = there.aggregate(all=Count("pk"), active=Count("pk", filter=Q(is_compose_active=True)))
    return counts["all"], counts["active"]
