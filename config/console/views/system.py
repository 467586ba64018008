"""The page System: is the house healthy."""

from typing import Any

from django.utils.translation import gettext as _

from config.console.selectors.system import system_page
from config.console.views.page import Page
from serving.health.measuring import measured_for


class SystemView(Page):
    """All parts as measured now."""

    template_name = "console/system.html"

    def context(self) -> dict[str, Any]:
        """Parts, alerts, queues, signs of life, versions and settings."""
        return {"title": _("System"), "page": system_page(measured_for(self.request))}
