"""The page of one evaluation: which cases went wrong; texts only on request, and on record."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _

from compliance.models import EvaluationRun
from compliance.services.evaluation_texts import ItemText, read_texts
from config.accounts.roles import Act
from config.console.access import access_of
from config.console.asked import is_key
from config.console.selectors.evaluations import SHOWN, evaluation_page, run_for_page, sentence
from config.console.views.page import Page, crumb
from config.core.errors import DomainError, Forbidden, Invalid, NotFound
from config.core.problems import of_domain_error, respond

# Whoever judges a version by its cases may read them; nobody else has a reason to.
TEXT_ACTS = (
    Act.EVALUATE,
    Act.SIGN_REVIEW_TECHNICAL,
    Act.SIGN_REVIEW_CLINICAL,
    Act.SIGN_REVIEW_PRIVACY,
    Act.SIGN_APPROVE,
)


class EvaluationView(Page):
    """One evaluation."""

    template_name = "console/evaluation.html"
    acts: ClassVar = {"texts": "show_texts"}
    run: EvaluationRun
    texts: dict[int, ItemText] | None = None

    def read(self, **kwargs: Any) -> None:
        """The run that the path names."""
        found = run_for_page(kwargs["uuid"])
        if found is None:
            raise NotFound(
                _("There is no such evaluation."),
                fix=_("Evaluations are listed on the pages of versions."),
            )
        self.run = found

    def context(self) -> dict[str, Any]:
        """Result, groups, and one page of cases."""
        query = self.read_filters(show=SHOWN, group=None, against=None, after=is_key)
        try:
            page = evaluation_page(self.run, query)
        except Invalid as error:
            self.notices = [*self.notices, f"{error.message} {error.fix}"]
            page = evaluation_page(self.run, {})
        if self.texts is not None:
            self.texts = read_texts(
                run=self.run,
                indexes=[row.index for row in page.rows],
                actor=self.access.actor,
            )
        adapter, version = self.run.version.adapter, self.run.version
        texts = self.texts or {}
        return {
            "title": _("%(version)s on %(set)s")
            % {"version": version, "set": self.run.evaluation_set},
            "crumbs": [
                crumb(_("Adapters"), reverse("admin:adapters")),
                crumb(adapter.name, reverse("admin:adapter", args=[adapter.ref])),
                crumb(version.version_name, reverse("admin:version", args=[version.uuid])),
                crumb(str(self.run.evaluation_set)),
            ],
            "page": page,
            "run": self.run,
            "version": version,
            "adapter": adapter,
            "cases": [(row, texts.get(row.index)) for row in page.rows],
            "has_texts": self.texts is not None,
            "why_no_texts": self._why_no_texts(),
            "shows": _shows(page),
        }

    def _why_no_texts(self) -> str:
        if any(self.access.may(act) for act in TEXT_ACTS):
            return ""
        return self.access.why_not(Act.EVALUATE)

    def post(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the same page with its texts; nothing to go on to, and nothing to keep."""
        if request.POST.get("act") != "texts":
            return super().post(request, *args, **kwargs)
        if self._why_no_texts():
            self.access.require(Act.EVALUATE)
            raise Forbidden(self._why_no_texts())
        self.texts = {}
        answer = self.show()
        patch_cache_control(answer, no_store=True, private=True)
        return answer


def evaluation_progress(request: Any, uuid: Any) -> HttpResponse:
    """How far a run is; once it is over the page is asked to load itself anew."""
    try:
        access_of(request).require_reading()
    except DomainError as error:
        return respond(request, of_domain_error(error))
    run = run_for_page(uuid)
    if run is None:
        return HttpResponse(status=404)
    response = render(
        request,
        "console/parts/evaluation_progress.html",
        {"run": run, "sentence": sentence(run), "is_over": run.state in {"done", "failed"}},
    )
    response["Cache-Control"] = "no-store"
    if run.state in {"done", "failed"}:
        response["HX-Refresh"] = "true"
    return response


def _shows(page: Any) -> list[dict[str, Any]]:
    """The filters by kind, each with its count and, where it can't be used, why."""
    name = page.against.version.version_name if page.against else ""
    nothing_beside = _("no other version was evaluated on this set")
    not_chosen = _("choose a version to compare with")
    unmarked = _("no case of this set is marked critical")
    return [
        {"value": "", "text": _("all cases"), "count": page.counts["all"], "why": ""},
        {"value": "wrong", "text": _("wrong"), "count": page.counts["wrong"], "why": ""},
        {
            "value": "newly_wrong",
            "text": _("newly wrong against %(name)s") % {"name": name}
            if name
            else _("newly wrong"),
            "count": page.counts["newly_wrong"],
            "why": "" if name else (not_chosen if page.choices else nothing_beside),
        },
        {
            "value": "critical",
            "text": _("critical"),
            "count": page.counts["critical"],
            "why": "" if page.counts["critical"] else unmarked,
        },
    ]
