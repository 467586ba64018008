"""The list of requests for approval."""

from typing import Any

from django.utils.translation import gettext as _

from config.console.paging import key_page
from config.console.selectors.approval_list import STATES, approval_list, due
from config.console.views.page import Page


class ApprovalsView(Page):
    """All requests; each leads to its record and signatures."""

    template_name = "console/approvals.html"

    def context(self) -> dict[str, Any]:
        """One page of the list and its filters."""
        query = self.read_list_filters(q=None, state=STATES)
        found = key_page(approval_list(query), query)
        return {
            "title": _("Approvals"),
            "list": found,
            "rows": [(request, due(request)) for request in found.rows],
            "query": query,
            "states": STATES,
            "is_filtered": any(query.get(key) for key in ("q", "state")),
        }
