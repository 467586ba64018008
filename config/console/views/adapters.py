"""The list of adapters with the form for a new one, and the page of one with its upload."""

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext as _

from config.accounts.roles import Act
from config.console.paging import key_page
from config.console.selectors.adapters import (
    STATES,
    adapter_list,
    adapter_page,
    domains,
    mark_blocked,
)
from config.console.selectors.holds import held_versions
from config.console.views.labels import label_values
from config.console.views.page import Page, crumb
from config.core.errors import Invalid
from registry.models import Adapter
from registry.models.adapters import SafetyClass
from registry.selectors import adapter_by_ref, base_model_by_name, base_models
from registry.services import adapters, versions
from registry.sources.archives import ArchiveSource


class AdaptersView(Page):
    """All adapters."""

    template_name = "console/adapters.html"
    acts: ClassVar = {"open": "open_new"}

    def context(self) -> dict[str, Any]:
        """One page of the list and its filters."""
        classes = SafetyClass.values
        query = self.read_list_filters(q=None, **{"class": classes}, state=STATES, domain=None)
        found = key_page(adapter_list(query), query)
        mark_blocked(found.rows)
        return {
            "title": _("Adapters"),
            "list": found,
            "query": query,
            "classes": SafetyClass.choices,
            "states": STATES,
            "domains": domains(),
            "is_filtered": any(query.get(key) for key in ("q", "class", "state", "domain")),
            "why_not_open": self.access.why_not(Act.SUBMIT),
            "base_models": base_models(),
        }

    def open_new(self) -> tuple[str, str]:
        """Open an adapter; the account becomes its owner."""
        self.access.require(Act.SUBMIT)
        posted = self.request.POST
        safety_class = posted.get("safety_class", "")
        if safety_class not in SafetyClass.values:
            raise Invalid(_("No class was chosen."), fix=_("Choose A, B or C."))
        made = adapters.create(
            slug=posted.get("slug", "").strip(),
            name=posted.get("name", "").strip(),
            base_model=base_model_by_name(posted.get("base_model", "")),
            owner=self.access.user,
            safety_class=safety_class,
            description=posted.get("description", "").strip(),
            medical_domain=posted.get("medical_domain", "").strip(),
            clinical_use_case=posted.get("clinical_use_case", "").strip(),
            actor=self.access.actor,
        )
        said = _("%(name)s is open; its first version can be uploaded on this page.") % {
            "name": made.name
        }
        return said, reverse("admin:adapter", args=[made.ref])


class AdapterView(Page):
    """One adapter."""

    template_name = "console/adapter.html"
    acts: ClassVar = {"upload": "upload"}
    adapter: Adapter

    def read(self, **kwargs: Any) -> None:
        """The adapter that the path names."""
        self.adapter = adapter_by_ref(kwargs["ref"])

    def context(self) -> dict[str, Any]:
        """Purpose, history, results and use."""
        page = adapter_page(self.adapter)
        return {
            "title": self.adapter.name,
            "crumbs": [crumb(_("Adapters"), reverse("admin:adapters")), crumb(self.adapter.name)],
            "adapter": self.adapter,
            "page": page,
            "rows": [(version, page.states[version.pk]) for version in page.versions],
            "held_versions": held_versions(self.adapter),
            "why_not_upload": self.access.why_not(Act.SUBMIT),
        }

    def upload(self) -> tuple[str, str]:
        """Submit a ZIP; the script sends folders and shows progress through the API instead."""
        self.access.require(Act.SUBMIT)
        archive = self.request.FILES.get("archive")
        if archive is None or archive.file is None:
            raise Invalid(
                _("No file was chosen."), fix=_("Choose a ZIP archive of the adapter's folder.")
            )
        posted = self.request.POST
        version, is_new = versions.submit(
            adapter=self.adapter,
            package=ArchiveSource(archive.file),  # type: ignore[arg-type]
            user=self.access.user,
            actor=self.access.actor,
            version_name=posted.get("version_name", ""),
            notes=posted.get("notes", ""),
            label=label_values(posted) if posted.get("purpose") else None,
        )
        said = (
            _("%(version_name)s is stored; its checks have begun.")
            % {"version_name": version.version_name}
            if is_new
            else _("These bytes are %(version_name)s already; nothing was stored twice.")
            % {"version_name": version.version_name}
        )
        return said, reverse("admin:version", args=[version.uuid])
