"""The list of trainings and the moving page of one."""

from math import ceil
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from config.accounts.roles import Act
from config.console.access import access_of
from config.console.paging import key_page
from config.console.views.page import Page, crumb
from config.console.words import TRAINING
from config.core.errors import DomainError
from config.core.problems import of_domain_error, respond
from registry import training_selectors as selectors
from registry.domain.training_parameters import TrainingParameters
from registry.models import TrainingRun
from registry.services import training_runs


class TrainingRunsView(Page):
    """The trainings that the account may see."""

    template_name = "console/training_runs.html"

    def context(self) -> dict[str, Any]:
        """One page of the list."""
        query = self.read_list_filters(state=TRAINING)
        rows = selectors.visible_runs(self.access.user)
        if query.get("state"):
            rows = rows.filter(state=query["state"])
        return {
            "title": _("Training"),
            "list": key_page(rows, query),
            "query": query,
            "states": {key: word.text for key, word in TRAINING.items()},
        }


class TrainingRunView(Page):
    """One training."""

    template_name = "console/training_run.html"
    acts: ClassVar = {"cancel": "cancel"}
    run: TrainingRun

    def read(self, **kwargs: Any) -> None:
        """The run that the path names."""
        self.run = selectors.visible_run(self.access.user, kwargs["uuid"])

    def context(self) -> dict[str, Any]:
        """How far it is, what it learns from, and what may be done about it."""
        return {
            "title": _("Training of %(adapter)s") % {"adapter": self.run.adapter.name},
            "crumbs": [
                crumb(_("Training"), reverse("admin:training-runs")),
                crumb(self.run.adapter.name),
            ],
            **_facts(self.run),
            "why_not": self._why_not(),
        }

    def cancel(self) -> tuple[str, str]:
        """End it; nothing half done remains."""
        if not self.access.may(Act.NODES):
            self.access.require(Act.SUBMIT)
        training_runs.cancel(
            run=self.run,
            user=self.access.user,
            actor=self.access.actor,
            reason=self.request.POST.get("reason", ""),
        )
        return _("Cancelled. Nothing of it is kept."), ""

    def _why_not(self) -> str:
        if self.access.may(Act.NODES) or (
            self.access.may(Act.SUBMIT)
            and self.access.user.pk in {self.run.requested_by_id, self.run.adapter.owner_id}
        ):
            return ""
        return self.access.why_not(Act.NODES)


def training_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """How far a run is; once it is over the page is asked to load itself anew."""
    access = access_of(request)
    try:
        access.require_reading()
        run = selectors.visible_run(access.user, uuid)
    except DomainError as error:
        return respond(request, of_domain_error(error))
    response = render(request, "console/parts/training_progress.html", _facts(run))
    response["Cache-Control"] = "no-store"
    if not run.is_open:
        response["HX-Refresh"] = "true"
    return response


def _facts(run: TrainingRun) -> dict[str, Any]:
    found = selectors.progress(run)
    return {
        "run": run,
        "progress": found,
        "message": sentence(run, found),
        "seconds": selectors.duration_seconds(run),
        "first_loss": run.series[0][1] if run.series else None,
        "minutes_left": ceil(found.seconds_left / 60) if found.seconds_left else None,
        "size_bytes": sum(row["size_bytes"] for row in run.data),
        "parameters": [
            (name, ", ".join(value) if isinstance(value, list) else str(value))
            for name, value in TrainingParameters.parse(run.parameters).as_json().items()
        ],
    }


def sentence(run: TrainingRun, found: selectors.Progress) -> str:
    """How it stands, in the reader's language."""
    if run.state == "completed" and run.version is not None:
        return _("It made %(version)s.") % {"version": run.version.version_name}
    if run.state == "running" and found.steps:
        return _("Epoch %(epoch)s of %(epochs)s, step %(step)s of %(steps)s.") % {
            "epoch": found.epoch,
            "epochs": found.epochs,
            "step": found.step,
            "steps": found.steps,
        }
    return {
        "queued": _("It waits for a trainer, or for its data to be scanned."),
        "running": _("The base model and the data are being read."),
        "cancelling": _("It stops at the next step."),
        "cancelled": _("It was cancelled, and nothing of it is kept."),
    }.get(run.state, _("It was given up at step %(step)s.") % {"step": run.step})
