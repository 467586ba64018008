"""The first page: what waits for me, and is anything wrong."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _

from compliance.models import Restore
from compliance.selectors.restores import held, restore_by_uuid
from compliance.services import restores
from config.accounts.roles import Act
from config.console.selectors.today import signed_recently, today
from config.console.views.page import Page


class TodayView(Page):
    """Today."""

    template_name = "console/today.html"
    acts: ClassVar = {"ask-resume": "ask_resume", "resume": "resume"}

    def ask_resume(self) -> tuple[str, str]:
        """Ask that serving go on after a restore."""
        restores.ask_resume(
            restore=self._restore(),
            reason=self.request.POST.get("reason", ""),
            user=self.access.user,
            actor=self.access.actor,
        )
        return _("Asked. A second person lets serving go on."), ""

    def resume(self) -> tuple[str, str]:
        """Let serving go on after a restore."""
        restores.resume(restore=self._restore(), user=self.access.user, actor=self.access.actor)
        return _("Serving goes on with what is wanted, permitted and proven."), ""

    def _restore(self) -> Restore:
        return restore_by_uuid(self.request.POST.get("restore", ""))

    def context(self) -> dict[str, Any]:
        """The person's queue, what is live and what is wrong."""
        return {
            "title": _("Today"),
            "is_today": True,
            "page": today(self.access),
            "restores": held().select_related("resume_asked_by"),
            "why_not_resume": self.access.why_not(Act.RESUME),
            "signed": signed_recently(self.access.user),
            "shows_nodes": self.access.may(Act.NODES),
            "may_submit": self.access.may(Act.SUBMIT),
        }
