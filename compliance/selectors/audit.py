"""Reads of the audit trail."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from compliance.domain.audit_chain import Seal, event_hash
from compliance.models import AuditEvent
from config.core import clock


@dataclass(frozen=True, kw_only=True)
class AuditFilters:
    """What to show of the trail; an empty member filters nothing."""

    action: str = ""
    actor: str = ""
    object_type: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


def audit_events(filters: AuditFilters | None = None) -> QuerySet[AuditEvent]:
    """Events by key, newest first. An ``action`` that ends in a dot names a family."""
    wanted = filters or AuditFilters()
    rows = AuditEvent.objects.order_by("-pk")
    if wanted.action.endswith("."):
        rows = rows.filter(action__startswith=wanted.action)
    elif wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.actor:
        rows = rows.filter(actor_name=wanted.actor)
    if wanted.object_type:
        rows = rows.filter(object_type=wanted.object_type)
    if wanted.object_id:
        rows = rows.filter(object_id=wanted.object_id)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    return rows


def parse_body(event: AuditEvent) -> dict[str, Any]:
    """The event's members: id, ts, actor, action, object, diff, reason, request_id, app_version.

    Raises:
        ValueError: somebody changed the row into something that is no JSON object.
    """
    body = json.loads(event.body)
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return body


def explain(sequence: int) -> list[dict[str, Any]]:
    """Entry ``sequence`` and its neighbours: content, stored hash and the hash computed now."""
    rows = AuditEvent.objects.filter(sequence__range=(sequence - 1, sequence + 1))
    return [_explained(row) for row in rows.order_by("sequence")]


def _explained(row: AuditEvent) -> dict[str, Any]:
    try:
        body: Any = parse_body(row)
        computed = event_hash(
            body,
            Seal(
                sequence=row.sequence or 0,
                previous_hash=row.previous_hash,
                sealed_at=clock.isoformat(row.sealed_at) if row.sealed_at else "",
            ),
        )
    except (ValueError, TypeError):
        body, computed = row.body, ""
    return {
        "sequence": row.sequence,
        "event": body,
        "previous_hash": row.previous_hash,
        "stored_hash": row.event_hash,
        "computed_hash": computed,
        "is_equal": computed == row.event_hash,
    }
