"""Reads of alerts, and the one that the control loop can't open: that it does not run."""

from datetime import datetime

from django.db.models import QuerySet

from config.core import clock
from serving.domain.alert_rules import CONTROL_AWAY, CONTROL_SILENT
from serving.models import Alert, Heartbeat
from serving.services.heartbeats import CONTROL


def alerts() -> QuerySet[Alert]:
    """All alerts, newest first."""
    return Alert.objects.order_by("-pk")


def open_alerts() -> list[Alert]:
    """What is wrong now, critical first, then the oldest.

    Where the control loop is silent, an alert that says so comes first; it is not stored, because
    only the control loop opens and closes stored ones.
    """
    rows = list(Alert.objects.filter(closed_at__isnull=True).order_by("severity", "since", "pk"))
    silence = _silence()
    return [silence, *rows] if silence is not None else rows


def heartbeat_at(name: str = CONTROL) -> datetime | None:
    """When a process last said that it lives."""
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()


def _silence() -> Alert | None:
    at = heartbeat_at()
    now = clock.now()
    if at is not None and now - at <= CONTROL_SILENT:
        return None
    return Alert(
        rule=CONTROL_AWAY.name,
        severity=CONTROL_AWAY.severity,
        message="The control process does not run: nothing is sealed, renewed or watched.",
        fix=CONTROL_AWAY.fix,
        since=at or now,
        opened_at=now,
    )
