"""Opens and closes alerts: once for each condition, however often it is looked at.

Alerts are operational: they keep their own history (``Alert`` rows) and are no audit events,
because nobody did anything. What people then do about them is audited where they do it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction

from config.core import clock
from serving.domain.alert_rules import BY_NAME, Notice, judged
from serving.domain.facts import Facts
from serving.models import Alert
from serving.selectors.facts import read_facts

log = structlog.get_logger(__name__)
Key = tuple[str, str]


@dataclass
class Watch:
    """Looks again and again; remembers since when it sees what has no known beginning."""

    first_seen: dict[Key, datetime] = field(default_factory=dict)

    def look(self) -> None:
        """One round: read the facts, judge them, and bring the alerts up to date."""
        self.apply(read_facts())

    def apply(self, facts: Facts) -> None:
        """Bring the alerts up to date with these facts."""
        notices = judged(facts)
        self.first_seen = {key: self.first_seen.get(key, facts.at) for key in notices}
        with transaction.atomic():
            open_rows = {(row.rule, row.subject): row for row in _open_rows()}
            for key, notice in notices.items():
                row = open_rows.get(key)
                if row is not None:
                    _update(row, notice)
                elif self._is_confirmed(key, notice, facts.at):
                    _open(key, notice, since=notice.since or self.first_seen[key])
            _close(open_rows, notices)

    def _is_confirmed(self, key: Key, notice: Notice, at: datetime) -> bool:
        return notice.since is not None or at - self.first_seen[key] >= notice.lasting


def _open_rows() -> list[Alert]:
    return list(
        Alert.objects.select_for_update(no_key=True).filter(closed_at__isnull=True).order_by("pk")
    )


def _open(key: Key, notice: Notice, *, since: datetime) -> None:
    rule = BY_NAME[key[0]]
    try:
        with transaction.atomic():
            Alert.objects.create(
                rule=rule.name,
                subject=key[1],
                severity=rule.severity,
                message=notice.message[:500],
                fix=rule.fix,
                since=since,
            )
    except IntegrityError:
        return  # another leader, a moment ago
    log.warning("alert.opened", code=rule.name)


def _update(row: Alert, notice: Notice) -> None:
    if row.message != notice.message[:500]:
        Alert.objects.filter(pk=row.pk).update(message=notice.message[:500])


def _close(open_rows: Mapping[Key, Alert], notices: Mapping[Key, Notice]) -> None:
    for key, row in open_rows.items():
        if key not in notices:
            Alert.objects.filter(pk=row.pk, closed_at__isnull=True).update(closed_at=clock.now())
            log.info("alert.closed", code=row.rule)
