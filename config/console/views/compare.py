"""Any two versions side by side."""

from typing import Any

from django.utils.translation import gettext as _

from config.console.selectors.compare import choices, compare_page
from config.console.selectors.files import count_changed
from config.console.views.page import Page
from config.core.errors import DomainError
from registry.models import Version
from registry.selectors import version_by_ref


class CompareView(Page):
    """Two versions, named in the address by uuid or as ``adapter@version``."""

    template_name = "console/compare.html"

    def context(self) -> dict[str, Any]:
        """What differs; for a name that leads nowhere, what is wrong with it."""
        asked = {side: str(self.request.GET.get(side, "")).strip() for side in ("a", "b")}
        faults: dict[str, DomainError] = {}
        found: dict[str, Version] = {}
        for side, ref in asked.items():
            try:
                if ref:
                    found[side] = version_by_ref(ref)
            except DomainError as error:
                faults[side] = error
        page = compare_page(found["a"], found["b"]) if len(found) == 2 else None
        return {
            "title": _("Compare"),
            "asked": {side: _name(found.get(side), ref) for side, ref in asked.items()},
            "faults": faults,
            "page": page,
            "changed": count_changed(page.files) if page else "",
            "choices": choices(),
        }


def _name(version: Version | None, ref: str) -> str:
    """How a version is called in its field: the same however it was named."""
    return f"{version.adapter.ref}@{version.version_name}" if version else ref
