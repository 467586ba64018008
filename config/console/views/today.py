"""The first page: what waits for me, and is anything wrong."""

from typing import Any

from config.accounts.roles import Act
from config.console.selectors.today import signed_recently, today
from config.console.views.page import Page


class TodayView(Page):
    """Today."""

    template_name = "console/today.html"

    def context(self) -> dict[str, Any]:
        """The person's queue, what is live and what is wrong."""
        return {
            "title": "Today",
            "is_today": True,
            "page": today(self.access),
            "signed": signed_recently(self.access.user),
            "shows_nodes": self.access.may(Act.NODES),
            "may_submit": self.access.may(Act.SUBMIT),
        }
