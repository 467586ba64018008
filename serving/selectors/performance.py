"""How an adapter did: counted from the rows of its answers and the trail of its loads."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncHour

from compliance.models import AuditEvent
from compliance.selectors.audit import parse_body
from registry.models import Adapter, Version
from serving.models import Answer, Feedback, Replica, Revision

NEWEST_DURATIONS = 10_000
_SHOWN = Q(was_replaced=False)
_GOOD = Q(was_replaced=False, failure="")


def usage_of(adapter: Adapter, *, since: datetime | None = None) -> dict[str, Any]:
    """Answers of an adapter's versions that clients got; shares are None where there are none."""
    rows = _answers(adapter, since)
    found: dict[str, Any] = rows.aggregate(
        total_requests=Count("pk", filter=_SHOWN),
        successful_requests=Count("pk", filter=_GOOD),
        replaced_by_stable=Count("pk", filter=Q(was_replaced=True)),
        prompt_tokens=Sum("prompt_tokens", filter=_SHOWN, default=0),
        completion_tokens=Sum("completion_tokens", filter=_SHOWN, default=0),
        unique_users=Count("token_name", filter=_SHOWN, distinct=True),
        first_used_at=Min("at", filter=_SHOWN),
        last_used_at=Max("at", filter=_SHOWN),
    )
    total = found["total_requests"]
    found["failed_requests"] = total - found["successful_requests"]
    found["success_rate"] = found["successful_requests"] / total if total else None
    found["error_rate"] = found["failed_requests"] / total if total else None
    reported = Feedback.objects.filter(digest__in=_digests(adapter), is_bad=True)
    found["reported"] = (reported if since is None else reported.filter(at__gte=since)).count()
    return found


def speed_of(adapter: Adapter, *, since: datetime | None = None) -> dict[str, Any]:
    """Milliseconds of loads and answers; None where there were none.

    Percentiles are those of the newest ``NEWEST_DURATIONS`` answers.
    """
    rows = _answers(adapter, since).filter(_GOOD)
    found = rows.aggregate(
        average=Avg("duration_ms"),
        first=Avg("first_token_ms"),
        busy_ms=Sum("duration_ms"),
        tokens=Sum("completion_tokens"),
    )
    newest = list(rows.order_by("-pk").values_list("duration_ms", flat=True)[:NEWEST_DURATIONS])
    durations = sorted(newest)
    loads = loads_of(adapter, since=since)
    times = [load["load_ms"] for load in loads if load["load_ms"] is not None]
    return {
        "total_loads": len(loads),
        "avg_load_time_ms": sum(times) / len(times) if times else None,
        "min_load_time_ms": min(times, default=None),
        "max_load_time_ms": max(times, default=None),
        "avg_inference_latency_ms": found["average"],
        "p95_inference_latency_ms": percentile(durations, 0.95),
        "p99_inference_latency_ms": percentile(durations, 0.99),
        "avg_first_token_ms": found["first"],
        "throughput_tokens_per_sec": (
            1000 * found["tokens"] / found["busy_ms"] if found["busy_ms"] else None
        ),
    }


def loads_of(adapter: Adapter, *, since: datetime | None = None) -> list[dict[str, Any]]:
    """Each proven load: when, where, which version, and how long it took from claim to proof."""
    uuids = Replica.objects.filter(version__adapter=adapter).values_list("uuid", flat=True)
    rows = AuditEvent.objects.filter(
        action="replica.ready", object_type="replica", object_id__in=[str(u) for u in uuids]
    ).order_by("pk")
    found = []
    for row in rows if since is None else rows.filter(at__gte=since):
        diff = parse_body(row)["diff"]
        found.append(
            {
                "at": row.at.isoformat(),
                "node": diff["node"][1],
                "version": diff["version"][1],
                # Loads of earlier releases of the product carry no time.
                "load_ms": diff.get("load_ms", [None, None])[1],
            }
        )
    return found


def usage_by_hour(adapter: Adapter, *, since: datetime | None = None) -> list[dict[str, Any]]:
    """A row for each hour, deployment and version in which there was an answer, in order."""
    names = dict(Version.objects.filter(adapter=adapter).values_list("digest", "version_name"))
    rows = (
        _answers(adapter, since)
        .annotate(hour=TruncHour("at"))
        .order_by()
        .values("hour", "deployment__public_name", "digest", "arm")
        .annotate(
            requests=Count("pk", filter=_SHOWN),
            successful=Count("pk", filter=_GOOD),
            replaced_by_stable=Count("pk", filter=Q(was_replaced=True)),
            avg_latency_ms=Avg("duration_ms", filter=_GOOD),
            completion_tokens=Sum("completion_tokens", filter=_SHOWN, default=0),
        )
    )
    found = [
        {
            "hour": row["hour"].isoformat(),
            "deployment": row["deployment__public_name"],
            "version": names[row["digest"]],
            "arm": row["arm"],
            "requests": row["requests"],
            "successful": row["successful"],
            "failed": row["requests"] - row["successful"],
            "replaced_by_stable": row["replaced_by_stable"],
            "avg_latency_ms": row["avg_latency_ms"],
            "completion_tokens": row["completion_tokens"],
        }
        for row in rows
    ]
    return sorted(found, key=lambda row: (row["hour"], row["deployment"], row["version"]))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of the sorted ``values`` that ``share`` of them don't exceed; None for none."""
    if not values:
        return None
    return values[max(0, math.ceil(share * len(values)) - 1)]


def _digests(adapter: Adapter) -> QuerySet[Version, str]:
    return Version.objects.filter(adapter=adapter).values_list("digest", flat=True)


def _answers(adapter: Adapter, since: datetime | None) -> QuerySet[Answer]:
    """By deployment first: that is what the table is indexed by."""
    deployments = Revision.objects.filter(version__adapter=adapter).values("deployment")
    rows = Answer.objects.filter(deployment__in=deployments, digest__in=_digests(adapter))
    return rows if since is None else rows.filter(at__gte=since)
