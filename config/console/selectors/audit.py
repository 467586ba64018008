"""The audit trail as people read it: filters from the address, lines with their diffs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from compliance.models import AuditEvent, Checkpoint
from compliance.selectors import AuditFilters, audit_events, parse_body
from compliance.selectors.verification import SEAL_WITHIN
from config.core import clock
from config.core.errors import Invalid

FILTER_NAMES = ("actor", "action", "object_type", "object_id", "since", "until")


@dataclass(frozen=True)
class Line:
    """One event for reading; ``body`` is empty where the row is no event any more."""

    event: AuditEvent
    body: dict[str, Any]

    @property
    def diff(self) -> list[dict[str, Any]]:
        """Each changed field with its old and new value."""
        found = self.body.get("diff") or {}
        lines = []
        for name, pair in found.items():
            is_pair = isinstance(pair, list) and len(pair) == 2
            was, now = pair if is_pair else (None, pair)
            lines.append({"field": name, "was": was, "now": now})
        return lines


@dataclass(frozen=True)
class Chain:
    """How far the trail is sealed, and its newest checkpoint."""

    sealed: int
    unsealed: int
    late: int
    checkpoint: Checkpoint | None


def events(query: Mapping[str, str]) -> QuerySet[AuditEvent]:
    """The events that the filters in the address ask for.

    Raises:
        Invalid: a day is no date.
    """
    until = _day(query.get("until", ""), and_days=1)
    return audit_events(
        AuditFilters(
            action=query.get("action", "").strip(),
            actor=query.get("actor", "").strip(),
            object_type=query.get("object_type", "").strip(),
            object_id=query.get("object_id", "").strip(),
            since=_day(query.get("since", "")),
            until=until,
        )
    )


def _day(text: str, *, and_days: int = 0) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=and_days)
    except (ValueError, OverflowError) as error:
        raise Invalid(
            _("“%(text)s” is no day.") % {"text": text[:40]}, fix=_("Write it as 2026-11-21.")
        ) from error


def lines(rows: Iterable[AuditEvent]) -> list[Line]:
    """Events with their content read."""
    return [Line(row, _body(row)) for row in rows]


def _body(row: AuditEvent) -> dict[str, Any]:
    try:
        return parse_body(row)
    except ValueError:
        # Somebody changed the row; the verifier names it, the page shows that there is nothing.
        return {}


def chain() -> Chain:
    """The state of the chain, without recomputing it."""
    last = AuditEvent.objects.exclude(sequence=None).order_by("-sequence")
    waiting = AuditEvent.objects.filter(sequence__isnull=True)
    return Chain(
        sealed=last.values_list("sequence", flat=True).first() or 0,
        unsealed=waiting.count(),
        late=waiting.filter(at__lt=clock.now() - SEAL_WITHIN).count(),
        checkpoint=Checkpoint.objects.order_by("-size").first(),
    )


def known_actions() -> list[str]:
    """Every act that the trail has seen."""
    return _distinct("action")


def known_types() -> list[str]:
    """Every kind of thing that the trail has seen."""
    return _distinct("object_type")


def _distinct(column: str) -> list[str]:
    """The values of an indexed column: one step down the index for each, whatever the rows."""
    table = AuditEvent._meta.db_table
    step = f"""
        WITH RECURSIVE seen(value) AS (
            SELECT min({column}) FROM {table}
            UNION ALL
            SELECT (SELECT min({column}) FROM {table} WHERE {column} > seen.value)
            FROM seen WHERE seen.value IS NOT NULL
        )
        SELECT value FROM seen WHERE value IS NOT NULL ORDER BY value"""  # noqa: S608 - our names
    with connection.cursor() as cursor:
        cursor.execute(step)
        return [str(value) for (value,) in cursor.fetchall()]
