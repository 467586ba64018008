"""Reads of permissions as leases, and the epochs that say when to read again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from compliance.models import Epoch, Permission, Stop
from compliance.states import Purpose
from config.core import clock
from registry.models import Version


@dataclass(frozen=True)
class Lease:
    """A live permission as receivers need it.

    ``ttl_seconds`` counts on the receiver's monotonic clock from when it first sees ``sequence``.
    """

    digest: str
    version_id: int
    runtime_name: str
    purpose: str
    run_id: int | None
    sequence: int
    ttl_seconds: int
    renewed_at: datetime


def open_permissions(purpose: str = "") -> QuerySet[Permission]:
    """Permissions that have not ended, of one purpose or of all."""
    rows = Permission.objects.filter(ended_at__isnull=True).select_related("version__adapter")
    return rows.filter(purpose=purpose) if purpose else rows


def open_serve_permission(version: Version) -> Permission | None:
    """The permission under which a version may be served, if it has one."""
    return open_permissions(Purpose.SERVE).filter(version=version).first()


def live_permissions(purpose: str = "") -> list[Lease]:
    """Leases that are open, renewed in time and not of a stopped digest."""
    stopped = Stop.objects.filter(digest=OuterRef("digest"), released_at__isnull=True)
    now = clock.now()
    return [
        Lease(
            digest=row.digest,
            version_id=row.version_id,
            runtime_name=row.version.runtime_name,
            purpose=row.purpose,
            run_id=row.run_id,
            sequence=row.lease_sequence,
            ttl_seconds=row.ttl_seconds,
            renewed_at=row.renewed_at,
        )
        for row in open_permissions(purpose).filter(~Exists(stopped)).order_by("pk")
        if row.renewed_at + timedelta(seconds=row.ttl_seconds) > now
    ]


def epoch() -> tuple[int, int]:
    """The counters of routing and of stops; zero before anything happened."""
    row = Epoch.objects.filter(name="epoch").values_list("routing", "stops").first()
    return row or (0, 0)
