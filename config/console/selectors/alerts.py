"""Open alerts as pages show them: what, since when, what to do, whose task, and where to look."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from serving.domain.alert_rules import BY_NAME
from serving.domain.facts import AlertSeverity
from serving.models import Alert

ICONS = {
    "node_away": "dns",
    "audit_unsealed": "link_off",
    "rollout_stuck": "move_up",
    "rollout_paused": "pause_circle",
    "drift": "visibility_off",
    "lease_ending": "timer_off",
    "recheck_failed": "rule",
    "stops_behind": "block",
    "stop_list_unwritable": "block",
    "trail_rewritten": "link_off",
    "audit_not_clean": "link_off",
    "queue_backlog": "inbox",
    "worker_away": "engineering",
    "work_late": "hourglass_bottom",
    "broker_away": "cloud_off",
    "control_away": "heart_broken",
    "serving_held": "front_hand",
}


@dataclass(frozen=True)
class ShownAlert:
    """``url``: the page of what it is about, empty where there is none."""

    text: str
    fix: str
    who: str
    since: datetime
    is_critical: bool
    icon: str
    runbook: str
    url: str

    @property
    def tone(self) -> str:
        """Its colour class."""
        return "bad" if self.is_critical else "warn"


def shown(rows: Iterable[Alert]) -> list[ShownAlert]:
    """The alerts in words."""
    found = []
    for row in rows:
        rule = BY_NAME.get(row.rule)
        found.append(
            ShownAlert(
                text=row.message,
                fix=row.fix,
                who=rule.who if rule else "",
                since=row.since,
                is_critical=row.severity == AlertSeverity.CRITICAL,
                icon=ICONS.get(row.rule, "error"),
                runbook=f"/docs/runbooks/{rule.runbook}" if rule else "",
                url=_url(row),
            )
        )
    return found


def _url(row: Alert) -> str:
    if row.rule in {"rollout_stuck", "rollout_paused"}:
        return reverse("admin:rollout", args=[row.subject])
    if row.rule in {"node_away", "drift", "stops_behind"}:
        return reverse("admin:nodes")
    if row.rule == "audit_unsealed":
        return reverse("admin:audit")
    return ""
