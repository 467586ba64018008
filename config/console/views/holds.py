"""Legal holds: which stand, and the acts of placing and releasing them."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.accounts.roles import Act
from config.console.paging import key_page
from config.console.selectors.holds import STATES, hold_list, lines, sentence, totals
from config.console.views.page import Page
from config.core.errors import Invalid
from registry.hold_selectors import target_by_name
from registry.services import holds


class HoldsView(Page):
    """Holds that stand; by a filter released ones too."""

    template_name = "console/holds.html"
    acts: ClassVar = {"place": "place", "release": "release"}

    def read(self, **kwargs: Any) -> None:
        """Matters may name people: who may read the audit trail may read them."""
        self.access.require(Act.AUDIT)

    def context(self) -> dict[str, Any]:
        """One page of the list, and what stands in all."""
        query = self.read_list_filters(q=None, state=STATES)
        found = key_page(hold_list(query), query)
        standing = totals()
        return {
            "title": _("Legal holds"),
            "sentence": sentence(standing),
            "totals": standing,
            "list": found,
            "lines": lines(found.rows),
            "can_release": any(hold.released_at is None for hold in found.rows),
            "query": query,
            "states": STATES,
            "is_filtered": any(query.get(key) for key in ("q", "state")),
            "why_not": self.access.why_not(Act.HOLD),
        }

    def place(self) -> tuple[str, str]:
        """Keep bytes in a matter."""
        self.access.require(Act.HOLD)
        posted = self.request.POST
        target = target_by_name(posted.get("what", ""), self.access.user)
        found = holds.place(
            sha256s=target.sha256s,
            placed_on=target.placed_on,
            matter=posted.get("matter", ""),
            reason=posted.get("reason", ""),
            actor=self.access.actor,
        )
        count = sum(hold.is_new for hold in found)
        if not count:
            return _("This matter holds all of it already; nothing was changed."), ""
        said = ngettext("%(count)s file is held.", "%(count)s files are held.", count)
        return said % {"count": count}, ""

    def release(self) -> tuple[str, str]:
        """End the chosen holds, all or none."""
        self.access.require(Act.HOLD)
        chosen = holds.release_all(
            uuids=[_uuid(text) for text in self.request.POST.getlist("hold")],
            reason=self.request.POST.get("reason", ""),
            actor=self.access.actor,
        )
        count = len(chosen)
        said = ngettext("%(count)s hold is released.", "%(count)s holds are released.", count)
        return said % {"count": count}, ""


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(_("This is no hold of the list."), fix=_("Load the page anew.")) from error
