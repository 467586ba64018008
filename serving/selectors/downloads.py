"""Reads of the download ledger: who was given a digest, and how often an adapter was pulled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, OuterRef, Q, Subquery, Sum

from serving.models import Download

# Whoever pulled nothing but texts holds no copy of the model.
_WEIGHTS = Q(path__endswith=".safetensors")
MAX_HOLDERS = 200


@dataclass(frozen=True)
class Holder:
    """An account that was given weights of a digest: how often, when, how much, with what."""

    username: str
    printed_name: str
    count: int
    size_bytes: int
    first_at: datetime
    last_at: datetime
    user_agent: str


def holders_of(digest: str) -> Sequence[Holder]:
    """The accounts that were given weights of this digest, the latest ``MAX_HOLDERS`` first.

    A copy that was passed on by hand is in no ledger.
    """
    weights = Download.objects.filter(_WEIGHTS, digest=digest)
    newest = weights.filter(account=OuterRef("account")).order_by("-at")
    rows = (
        weights.values("account__username", "account__person__printed_name")
        .annotate(
            times=Count("pk"),
            total_bytes=Sum("size_bytes"),
            first_at=Min("at"),
            last_at=Max("at"),
            agent=Subquery(newest.values("user_agent")[:1]),
        )
        .order_by("-last_at")[:MAX_HOLDERS]
    )
    return [
        Holder(
            username=row["account__username"],
            printed_name=row["account__person__printed_name"] or "",
            count=row["times"],
            size_bytes=row["total_bytes"],
            first_at=row["first_at"],
            last_at=row["last_at"],
            user_agent=row["agent"],
        )
        for row in rows
    ]


def accounts_with(digest: str) -> int:
    """How many accounts were given weights of this digest."""
    return Download.objects.filter(_WEIGHTS, digest=digest).values("account").distinct().count()


def counts_of(adapter_ids: Iterable[int]) -> Mapping[int, int]:
    """Counted downloads of each adapter that has any, by its primary key."""
    rows = Download.objects.filter(version__adapter__in=list(adapter_ids))
    counted = rows.values("version__adapter").annotate(times=Count("pk"))
    return {row["version__adapter"]: row["times"] for row in counted}
