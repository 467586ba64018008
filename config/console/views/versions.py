"""The list of versions; the page of one: can it be signed, and the acts on it."""

from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from compliance.models import Stop
from compliance.selectors import open_stops, set_by_ref
from compliance.services import approvals, evaluations, stops
from config.accounts.roles import Act
from config.console.paging import key_page
from config.console.selectors.rollout_previews import previews
from config.console.selectors.version_list import STATES, lines, version_list
from config.console.selectors.versions import VersionPage, version_page
from config.console.views.labels import label_values
from config.console.views.page import Page, crumb
from config.core.errors import NotFound
from registry.models import Version
from registry.selectors import version_by_ref
from registry.services import labels
from serving.selectors.deployments import deployment_by_name
from serving.services import rollouts
from serving.strategies import CHOSEN_BY_PEOPLE, STRATEGIES

Said = tuple[str, str]


class VersionsView(Page):
    """All versions of all adapters."""

    template_name = "console/versions.html"

    def context(self) -> dict[str, Any]:
        """One page of the list and its filters."""
        query = self.read_list_filters(q=None, state=STATES)
        found = key_page(version_list(query), query)
        return {
            "title": _("Versions"),
            "list": found,
            "lines": lines(found.rows),
            "query": query,
            "states": STATES,
            "is_filtered": any(query.get(key) for key in ("q", "state")),
        }


class VersionView(Page):
    """One version."""

    template_name = "console/version.html"
    acts: ClassVar = {
        "evaluate": "evaluate",
        "request-approval": "request_approval",
        "label": "change_label",
        "deploy": "deploy",
        "stop": "stop",
        "ask-release": "ask_release",
        "release": "release",
    }
    version: Version

    def read(self, **kwargs: Any) -> None:
        """The version that the path names."""
        uuid: UUID = kwargs["uuid"]
        self.version = version_by_ref(str(uuid))

    def context(self) -> dict[str, Any]:
        """The facts, and for each act why it can't be done now."""
        page = version_page(self.version)
        adapter = self.version.adapter
        return {
            "title": str(self.version),
            "crumbs": [
                crumb(_("Adapters"), reverse("admin:adapters")),
                crumb(adapter.name, reverse("admin:adapter", args=[adapter.ref])),
                crumb(self.version.version_name),
            ],
            "page": page,
            "version": self.version,
            "adapter": adapter,
            "why_not": (why_not := self._why_not(page)),
            "may_read_holds": self.access.may(Act.AUDIT),
            "strategies": {key: STRATEGIES[key].title for key in CHOSEN_BY_PEOPLE},
            "previews": [] if why_not["deploy"] else previews(page.deployments, self.version),
        }

    def _why_not(self, page: VersionPage) -> dict[str, str]:
        stopped = _("It is stopped everywhere.") if page.is_stopped else ""
        checked = any(run.kind == "package" and run.state == "done" for run in page.runs)
        unchecked = "" if checked else _("The package checks have not finished.")
        blocked = _("Checks block it; they are listed on this page.") if page.blocking else ""
        is_open = page.request is not None and page.request.state == "open"
        waits = _("It waits for signatures already.") if is_open else ""
        if page.permission and not page.has_newer_evidence:
            waits = _("It is approved. More evidence would make a new revision.")
        unapproved = "" if page.permission else _("It is not approved.")
        may = self.access.why_not
        return {
            "evaluate": may(Act.EVALUATE)
            or stopped
            or unchecked
            or ("" if page.evaluation_sets else _("No evaluation set is locked yet.")),
            "request": may(Act.REQUEST_APPROVAL) or stopped or unchecked or waits or blocked,
            "label": may(Act.SUBMIT),
            "deploy": may(Act.DEPLOY) or stopped or unapproved or page.why_no_rollout,
            "stop": may(Act.STOP) or (_("It is stopped already.") if page.is_stopped else ""),
            "release": may(Act.STOP),
        }

    def evaluate(self) -> Said:
        """Ask that a set be run through the version."""
        self.access.require(Act.EVALUATE)
        chosen = set_by_ref(self.request.POST.get("evaluation_set", ""))
        run = evaluations.request(
            version=self.version,
            evaluation_set=chosen,
            user=self.access.user,
            actor=self.access.actor,
        )
        if run.state == "done":
            return _("%(chosen)s has a recorded run of these bytes already; it is used.") % {
                "chosen": chosen
            }, ""
        return _("%(chosen)s will be run through this version on a node.") % {"chosen": chosen}, ""

    def request_approval(self) -> Said:
        """Freeze the record and ask people to sign it."""
        approvals.request(version=self.version, user=self.access.user, actor=self.access.actor)
        return _("The record is frozen and waits for signatures."), ""

    def change_label(self) -> Said:
        """State the intended use anew."""
        self.access.require(Act.SUBMIT)
        labels.change(
            version=self.version,
            user=self.access.user,
            actor=self.access.actor,
            **label_values(self.request.POST),
        )
        return _("The label is changed; the evidence is checked against it again."), ""

    def deploy(self) -> Said:
        """Start a rollout of this version."""
        self.access.require(Act.DEPLOY)
        name = self.request.POST.get("deployment", "")
        rollout = rollouts.start(
            deployment=deployment_by_name(name),
            version=self.version,
            user=self.access.user,
            actor=self.access.actor,
            strategy=self.request.POST.get("strategy", CHOSEN_BY_PEOPLE[0]),
        )
        return _("The rollout to %(name)s has begun.") % {"name": name}, reverse(
            "admin:rollout", args=[rollout.uuid]
        )

    def stop(self) -> Said:
        """Withdraw the digest everywhere."""
        stops.issue(
            digest=self.version.digest,
            reason=self.request.POST.get("reason", ""),
            user=self.access.user,
            actor=self.access.actor,
        )
        return _("Stopped everywhere. Two people can release it."), ""

    def _open_stop(self) -> Stop:
        found = open_stops().filter(digest=self.version.digest).first()
        if found is None:
            raise NotFound(_("This version is not stopped."), fix=_("Nothing is left to release."))
        return found

    def ask_release(self) -> Said:
        """The first person's part of releasing a stop."""
        stops.ask_release(
            stop=self._open_stop(),
            reason=self.request.POST.get("reason", ""),
            user=self.access.user,
            actor=self.access.actor,
        )
        return _("You asked for the release; a second person gives it."), ""

    def release(self) -> Said:
        """The second person's part."""
        stops.release(
            stop=self._open_stop(),
            user=self.access.user,
            actor=self.access.actor,
        )
        return _("The stop is released."), ""
