"""The playground: one text to stable and candidate, side by side; reports on what they said."""

import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from config.accounts.roles import Act
from config.console import words
from config.console.selectors.playground import playground_page
from config.console.views.page import Page
from config.core.errors import Conflict, DomainError, Invalid, Unavailable
from config.core.problems import of_domain_error
from serving.domain.openai_api import AskedAnswer, parse_body, parse_chat
from serving.gateway.gateway import SCOPE_KEY, Gateway
from serving.gateway.playground import SideBySide
from serving.selectors.deployments import deployment_by_name
from serving.selectors.playground import candidates, messages_of, target_of
from serving.services.playground import report

MAX_TEXT_CHARS = 20_000
MAX_TOKENS = 1024


class PlaygroundView(Page):
    """The page itself; what is written on it never stands in an address."""

    template_name = "console/playground.html"

    def context(self) -> dict[str, Any]:
        """Who can be asked, and why not where nobody can."""
        query = {key: str(value) for key, value in self.request.GET.items()}
        page = playground_page(query)
        return {
            "title": _("Playground"),
            "page": page,
            "why_not": self.access.why_not(Act.INFER) or page.why_nothing,
            "why_not_report": self.access.why_not(Act.FEEDBACK),
            "categories": words.REPORT_CATEGORY.items(),
            "max_text_chars": MAX_TEXT_CHARS,
            "max_tokens": MAX_TOKENS,
        }


class _Call(Page):
    """A call of the page's script: JSON in the body, refusals as problem documents."""

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        return parse_body(self.request.body)

    def text(self, body: dict[str, Any], name: str, maximum: int = MAX_TEXT_CHARS) -> str:
        """A text of the body, empty where it is not there."""
        value = body.get(name) or ""
        if not isinstance(value, str) or len(value) > maximum or "\0" in value:
            raise Invalid(_("%(name)s is no text of at most %(maximum)s characters.")
                          % {"name": name, "maximum": maximum})  # fmt: skip
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Invalid(_("%(name)s holds half a character.") % {"name": name}) from error
        return value

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only POST: what people write must not stand in an address."""
        return HttpResponse(status=405, headers={"Allow": "POST"})

    def refused(self, error: DomainError) -> HttpResponse:
        """What is wrong, for the script to show."""
        return JsonResponse(of_domain_error(error), status=error.status)


class PlaygroundAnswersView(_Call):
    """Both answers as one stream of events."""

    def post(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Ask stable and the candidate at once."""
        self.access.require(Act.INFER)
        body = self.body()
        text = self.text(body, "text")
        if not text.strip():
            raise Invalid(_("There is nothing to answer."), fix=_("Write a text first."))
        deployment = deployment_by_name(self.text(body, "deployment", 100))
        candidate = None
        if uuid := self.text(body, "candidate", 40):
            found = [row.version for row in candidates(deployment)]
            candidate = next((row for row in found if str(row.uuid) == uuid), None)
            if candidate is None:
                raise Conflict(
                    _("The chosen candidate may not answer any more."),
                    fix=_("Load the page again and choose another one."),
                )
        asked = self._asked(body, text)
        both = SideBySide(
            gateway=self._gateway,
            public_name=deployment.public_name,
            candidate=target_of(candidate) if candidate else None,
            asked=asked,
            text=text,
            by=self.access.user.get_username(),
        )
        response = StreamingHttpResponse(_stream(both), content_type="text/event-stream")
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"
        return response

    @property
    def _gateway(self) -> Gateway:
        scope: dict[str, Any] = getattr(self.request, "scope", {})
        gateway = scope.get(SCOPE_KEY)
        if not isinstance(gateway, Gateway):
            raise Unavailable(
                _("This server runs without its gateway, so no version can be asked."),
                fix=_("Start it as config.asgi:application under an ASGI server."),
            )
        return gateway

    def _asked(self, body: dict[str, Any], text: str) -> AskedAnswer:
        limit = body.get("max_tokens")
        if not isinstance(limit, int) or not 1 <= limit <= MAX_TOKENS:
            raise Invalid(_("The longest answer is no whole number from 1 to %(maximum)s.")
                          % {"maximum": MAX_TOKENS})  # fmt: skip
        messages = messages_of(text, form=self.text(body, "form", 40))
        given = {"temperature": body.get("temperature"), "max_tokens": limit, "stream": True}
        return parse_chat({"model": "playground", "messages": messages, **given})


class PlaygroundReportView(_Call):
    """A report on one answer."""

    def post(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Store the verdict, and the texts where the person says so."""
        self.access.require(Act.FEEDBACK)
        body = self.body()
        recorded = report(
            answer_id=self.text(body, "answer_id", 80),
            category=self.text(body, "category", 20),
            note=self.text(body, "note"),
            prompt=self.text(body, "text"),
            answer=self.text(body, "answer"),
            sealed=self.text(body, "seal", 64),
            is_text_kept=body.get("keep") is True,
            actor=self.access.actor,
        )
        said = _("Reported. Thank you.")
        if not recorded.is_counted:
            said = _("This answer was reported before; the first report counts.")
        return JsonResponse({"said": said})


async def _stream(both: SideBySide) -> AsyncIterator[bytes]:
    async for event in both.events():
        yield f"data: {json.dumps(event)}\n\n".encode()
