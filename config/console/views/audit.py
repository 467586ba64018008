"""The audit page: who did what, whether the chain holds, and the export."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from compliance.models import AuditEvent
from compliance.services import audit, verification
from config.accounts.roles import Act
from config.console.asked import Filter, is_day
from config.console.exports import csv_response
from config.console.paging import key_page
from config.console.selectors.audit import (
    FILTER_NAMES,
    chain,
    events,
    known_actions,
    known_types,
    lines,
)
from config.console.views.page import Page
from config.core import clock

COLUMNS = (
    "sequence",
    "at",
    "actor",
    "action",
    "object_type",
    "object_id",
    "reason",
    "diff",
    "hash",
)


class AuditView(Page):
    """The audit trail."""

    template_name = "console/audit.html"
    acts: ClassVar = {"verify": "verify"}
    report: Any = None

    def read(self, **kwargs: Any) -> None:
        """Reading the trail needs a role of its own."""
        self.access.require(Act.AUDIT)
        filters: dict[str, Filter] = dict.fromkeys(FILTER_NAMES)
        self.query = self.read_list_filters(**{**filters, "since": is_day, "until": is_day})

    def context(self) -> dict[str, Any]:
        """One page of events, the filters, and the state of the chain."""
        found = key_page(events(self.query), self.query)
        return {
            "title": _("Audit"),
            "list": found,
            "lines": lines(found.rows),
            "query": self.query,
            "is_filtered": any(self.query.get(name) for name in FILTER_NAMES),
            "chain": chain(),
            "actions": known_actions(),
            "types": known_types(),
            "report": self.report,
        }

    def post(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Verify now, and show the report on the page: there is nothing to go on to."""
        if request.POST.get("act") == "verify":
            self.report = verification.verify()
            return self.show()
        return super().post(request, *args, **kwargs)


class AuditExportView(Page):
    """The filtered events as CSV; each export is an event itself."""

    def read(self, **kwargs: Any) -> None:
        """Reading the trail needs a role of its own."""
        self.access.require(Act.AUDIT)

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """All of them, the newest first."""
        query = {key: str(request.GET.get(key, "")) for key in FILTER_NAMES}
        found = events(query)
        response = csv_response(found, name="audit", columns=COLUMNS, cells=_cells)
        audit.record(
            action="audit.exported",
            actor=self.access.actor,
            object_type="audit",
            object_id="csv",
            diff={
                "rows": [None, found.count()],
                **{key: [None, value] for key, value in query.items() if value},
            },
        )
        return response


def _cells(rows: Sequence[AuditEvent]) -> Iterator[Sequence[Any]]:
    for line in lines(rows):
        event = line.event
        yield (
            event.sequence if event.sequence is not None else "",
            clock.isoformat(event.at),
            event.actor_name,
            event.action,
            event.object_type,
            event.object_id,
            line.body.get("reason", ""),
            json.dumps(line.body.get("diff") or {}, ensure_ascii=False, sort_keys=True),
            event.event_hash,
        )
