"""Reads of stops."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from compliance.models import AuditEvent, Stop
from compliance.selectors.refs import parse_uuid
from config.core.errors import NotFound


def open_stops() -> QuerySet[Stop]:
    """Stops that nobody has released."""
    return Stop.objects.filter(released_at__isnull=True).order_by("pk")


def stopped_digests() -> frozenset[str]:
    """Every digest that is withdrawn now."""
    return frozenset(open_stops().values_list("digest", flat=True))


def is_stopped(digest: str) -> bool:
    """Whether this digest is withdrawn now."""
    return open_stops().filter(digest=digest).exists()


def was_released_since(digest: str, moment: datetime) -> bool:
    """Whether two persons have released a stop of this digest at or after ``moment``.

    Only a release that the trail has too counts: a row alone may have been edited.
    """
    rows = Stop.objects.filter(digest=digest, released_at__gte=moment)
    return any(
        AuditEvent.objects.filter(
            action="stop.released",
            object_type="digest",
            object_id=digest,
            body__contains=str(uuid),
        ).exists()
        for uuid in rows.values_list("uuid", flat=True)
    )


def stop_by_uuid(uuid: UUID | str) -> Stop:
    """The stop with this uuid.

    Raises:
        NotFound: there is none.
    """
    found = Stop.objects.filter(uuid=parse_uuid(uuid)).first()
    if found is None:
        raise NotFound(f"There is no stop {uuid}.", fix="List /api/v1/stops.")
    return found
