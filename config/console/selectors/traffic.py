"""Answers by hour: how many, how many were not in order, and how long they took."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber, TruncHour

from config.core import clock
from serving.models import Answer, Deployment

HOURS = 24


@dataclass(frozen=True)
class Hour:
    """One hour; times in milliseconds are those of answers in order, None where there was none."""

    begins_at: datetime
    answers: int = 0
    failures: int = 0
    replaced: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


@dataclass(frozen=True)
class Traffic:
    """The last hours, the oldest first; answers that a client never saw are only ``replaced``."""

    hours: Sequence[Hour]

    @property
    def answers(self) -> int:
        """Answers that clients got."""
        return sum(hour.answers for hour in self.hours)

    @property
    def failures(self) -> int:
        """Those of them that were not in order."""
        return sum(hour.failures for hour in self.hours)

    @property
    def replaced(self) -> int:
        """Answers of a trial that the stable version's replaced."""
        return sum(hour.replaced for hour in self.hours)

    @property
    def most_ms(self) -> int:
        """The largest 95th percentile."""
        return max((hour.p95_ms or 0 for hour in self.hours), default=0)

    @property
    def counts(self) -> list[int]:
        """Answers by hour."""
        return [hour.answers for hour in self.hours]

    @property
    def failed(self) -> list[int]:
        """Failed answers by hour."""
        return [hour.failures for hour in self.hours]

    @property
    def used(self) -> list[Hour]:
        """The hours in which anything was answered, the newest first."""
        return [hour for hour in reversed(self.hours) if hour.answers or hour.replaced]


def traffic(deployment: Deployment) -> Traffic:
    """The last 24 hours in two queries; the database counts and picks the percentiles."""
    now = clock.now()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    rows = Answer.objects.filter(deployment=deployment, at__gte=first, at__lte=now).annotate(
        hour=TruncHour("at")
    )
    hours = {
        first + timedelta(hours=index): Hour(first + timedelta(hours=index))
        for index in range(HOURS)
    }
    counted = (
        rows.order_by()
        .values_list("hour")
        .annotate(
            answers=Count("pk", filter=Q(was_replaced=False)),
            failures=Count("pk", filter=Q(was_replaced=False) & ~Q(failure="")),
            replaced=Count("pk", filter=Q(was_replaced=True)),
        )
    )
    for hour, answers, failures, replaced in counted:
        hours[hour] = Hour(hour, answers, failures, replaced)
    ranked = (
        rows.filter(failure="", was_replaced=False)
        .annotate(
            rank=Window(RowNumber(), partition_by="hour", order_by="duration_ms"),
            size=Window(Count("pk"), partition_by="hour"),
        )
        # The nearest rank: the smallest value that at least this share does not exceed.
        .annotate(p50=(F("size") * 50 + 99) / 100, p95=(F("size") * 95 + 99) / 100)
        .filter(Q(rank=F("p50")) | Q(rank=F("p95")))
        .order_by()
        .values_list("hour", "rank", "p50", "duration_ms")
    )
    for hour, rank, p50, duration_ms in ranked:
        found = hours[hour]
        # Of a single answer both percentiles are one row.
        worst = max(duration_ms, found.p95_ms or 0)
        hours[hour] = replace(
            found, p50_ms=duration_ms if rank == p50 else found.p50_ms, p95_ms=worst
        )
    return Traffic(list(hours.values()))
