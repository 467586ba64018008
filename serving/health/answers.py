"""The two answers about health: a short one for everybody, and the checklist's (M93-M95)."""

from typing import Any

from django.conf import settings

from serving.domain.alert_rules import BY_NAME
from serving.domain.health import LIFECYCLE, Status, overall
from serving.health.judging import rss_bytes
from serving.health.measuring import Measured
from serving.models import Alert

_MEGABYTE = 1024**2
# What monitors of the original services look for (C8): "ok" while work can be done.
_SHORT = {Status.HEALTHY: "ok", Status.DEGRADED: "ok", Status.UNHEALTHY: "unavailable"}


def status_code(measured: Measured) -> int:
    """503 when nothing can be done at all, else 200."""
    return 503 if overall(measured.components) is Status.UNHEALTHY else 200


def short(measured: Measured) -> dict[str, Any]:
    """State by part, without a name, a number or a reason."""
    states = {name: str(part.status) for name, part in measured.components.items()}
    is_s3 = settings.STORAGE_TYPE == "s3"
    return {
        "status": _SHORT[overall(measured.components)],
        "components": states,
        "s3_status": states["storage"] if is_s3 else str(Status.OFF),
    }


def full(measured: Measured, *, is_trusted: bool) -> dict[str, Any]:
    """``state``, ``active_adapters``, ``memory_usage_mb``, ``system_health`` (M93),
    ``overall_health``, ``components{name: {status}}``, ``alerts[{severity, message}]`` (M94) and
    ``components.manager.memory_usage.rss_mb`` (M95).

    ``is_trusted`` false: nobody could be asked who asks, so no details and no alerts.
    """
    health = overall(measured.components)
    told = measured.database
    rss_mb = round(rss_bytes() / _MEGABYTE, 1)
    nodes_mb = sum(node.memory_bytes for node in told.facts.nodes) / _MEGABYTE if told else 0.0
    components: dict[str, dict[str, Any]] = {}
    for name, part in measured.components.items():
        components[name] = {"status": str(part.status), "latency_ms": part.latency_ms}
        if is_trusted:
            components[name]["detail"] = part.detail
    components["manager"]["memory_usage"] = {"rss_mb": rss_mb}
    return {
        "state": LIFECYCLE[health],
        "active_adapters": told.active_adapters if told else None,
        "memory_usage_mb": round(rss_mb + nodes_mb, 1),
        "system_health": str(health),
        "overall_health": str(health),
        "components": components,
        "alerts": [alert(row) for row in measured.alerts] if is_trusted else [],
    }


def alert(row: Alert) -> dict[str, Any]:
    """One alert for programs."""
    rule = BY_NAME.get(row.rule)
    return {
        "severity": row.severity,
        "message": row.message,
        "rule": row.rule,
        "subject": row.subject,
        "since": row.since.isoformat(),
        "opened_at": row.opened_at.isoformat(),
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
        "fix": row.fix,
        "who": rule.who if rule else "",
        "runbook": f"/docs/runbooks/{rule.runbook}" if rule else "",
    }
