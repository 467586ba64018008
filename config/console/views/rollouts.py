"""The list of rollouts and the live page of one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from config.accounts.roles import Act
from config.console.access import access_of
from config.console.paging import key_page
from config.console.selectors.rollout_sides import act_state
from config.console.selectors.rollouts import rollout_by_uuid, rollout_page, rollouts, stamp
from config.console.sites import console
from config.console.views.page import Page, crumb
from config.console.words import ROLLOUT
from config.core.errors import DomainError, Forbidden
from config.core.problems import of_domain_error, respond
from serving.models import Rollout
from serving.services import rollbacks
from serving.services import rollouts as rollout_services

LOOK_EVERY_SECONDS = 1.0
SAY_ALIVE_EVERY_SECONDS = 15.0
END_AFTER_SECONDS = 600.0
LIVE_TEMPLATE = "console/parts/rollout_live.html"
# Act → states in which it can be done, for the buttons of a page that changes while it is read.
ALLOWED_IN = {
    "pause": ("running",),
    "resume": ("paused", "undecided"),
    "promote": ("undecided",),
    "abort": ("running", "paused", "undecided"),
    "rollback": ("promoted",),
}


class RolloutsView(Page):
    """All rollouts."""

    template_name = "console/rollouts.html"

    def context(self) -> dict[str, Any]:
        """One page of the list."""
        states = {"open": _("all under way"), **{k: word.text for k, word in ROLLOUT.items()}}
        query = self.read_list_filters(q=None, state=states)
        return {
            "title": _("Rollouts"),
            "list": key_page(rollouts(query.get("state", ""), query.get("q", "").strip()), query),
            "query": query,
            "states": states,
        }


class RolloutView(Page):
    """One rollout."""

    template_name = "console/rollout.html"
    acts: ClassVar = {
        "pause": "pause",
        "resume": "resume",
        "promote": "promote",
        "abort": "abort",
        "roll-back": "roll_back",
    }
    rollout: Rollout

    def read(self, **kwargs: Any) -> None:
        """The rollout that the path names."""
        self.rollout = rollout_by_uuid(kwargs["uuid"])

    def context(self) -> dict[str, Any]:
        """What moves, and what may be done about it."""
        to = self.rollout.to_revision.version
        return {
            "title": _("Rollout of %(value)s") % {"value": to or _("the base model")},
            "crumbs": [
                crumb(_("Rollouts"), reverse("admin:rollouts")),
                crumb(f"{to or 'base model'} in {self.rollout.deployment}"),
            ],
            "page": rollout_page(self.rollout),
            "rollout": self.rollout,
            "why_not": self.access.why_not(Act.DEPLOY),
            "allowed": ALLOWED_IN,
            "act_state": act_state(self.rollout),
        }

    @property
    def _reason(self) -> str:
        return self.request.POST.get("reason", "")

    def pause(self) -> tuple[str, str]:
        """Keep the weight and go no further."""
        return self._turn("pause", _("Paused. The share of requests stays as it is."))

    def resume(self) -> tuple[str, str]:
        """Go on."""
        return self._turn("resume", _("It goes on."))

    def abort(self) -> tuple[str, str]:
        """End it before its promotion."""
        return self._turn("abort", _("Aborted: requests go to the former version."))

    def promote(self) -> tuple[str, str]:
        """Promote what the analysis could not decide."""
        return self._turn("promote", _("You promoted it; every request goes to it."))

    def _turn(self, act: str, said: str) -> tuple[str, str]:
        self.access.require(Act.DEPLOY)
        getattr(rollout_services, act)(
            rollout=self.rollout,
            reason=self._reason,
            user=self.access.user,
            actor=self.access.actor,
        )
        return said, ""

    def roll_back(self) -> tuple[str, str]:
        """Go back from what this rollout has promoted to the version before it."""
        self.access.require(Act.DEPLOY)
        made = rollbacks.start(
            deployment=self.rollout.deployment,
            leaving=self.rollout.to_revision.version,
            reason=self._reason,
            actor=self.access.actor,
            user=self.access.user,
        )
        return _("Rolled back."), reverse("admin:rollout", args=[made.uuid])


def rollout_events(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The moving part of a rollout's page as server-sent events, for ten minutes.

    It ends within seconds when the account signs out, is closed or loses a role.
    """
    access = access_of(request)
    try:
        if not access.may(Act.READ):
            raise Forbidden(access.why_not(Act.READ))
        rollout_by_uuid(uuid)
    except DomainError as error:
        return respond(request, of_domain_error(error))
    watcher = Watcher(request.session, access.roles)
    response = StreamingHttpResponse(_events(uuid, watcher), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


@dataclass(frozen=True)
class Watcher:
    """Whoever opened a stream, and the roles that he held then."""

    session: SessionBase
    roles: frozenset[str]

    def may_go_on(self) -> bool:
        """Whether the session still lives, of an account that has lost nothing meanwhile."""
        request = HttpRequest()
        request.session = self.session.__class__(self.session.session_key)
        request.user = get_user(request)
        return console.has_permission(request) and self.roles <= access_of(request).roles


async def _events(uuid: UUID, watcher: Watcher) -> AsyncIterator[bytes]:
    """One event whenever something changed; between looks neither thread nor connection is held."""
    end = time.monotonic() + END_AFTER_SECONDS
    last: tuple[Any, ...] | None = None
    said_at = time.monotonic()
    while time.monotonic() < end:
        found, body = await sync_to_async(_look, thread_sensitive=False)(uuid, last, watcher)
        if not found:
            return
        if body:
            last, said_at = found, time.monotonic()
            yield body.encode()
        elif time.monotonic() - said_at > SAY_ALIVE_EVERY_SECONDS:
            said_at = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _look(
    uuid: UUID, last: tuple[Any, ...] | None, watcher: Watcher
) -> tuple[tuple[Any, ...], str]:
    """The stamp now, and the event where it differs from ``last``; nothing once it must end."""
    try:
        if not watcher.may_go_on():
            return (), ""
        found = stamp(uuid)
        if found == last or not found:
            return found, ""
        rollout = rollout_by_uuid(uuid)
        page = rollout_page(rollout)
        html = render_to_string(LIVE_TEMPLATE, {"page": page, "rollout": rollout})
        data = json.dumps(
            {"html": html, "state": act_state(rollout), "weight": rollout.weight_percent,
             "sentence": page.sentence}
        )  # fmt: skip
        return found, f"event: rollout\ndata: {data}\n\n"
    finally:
        # This thread goes back to a pool; its connection must not wait there.
        connections.close_all()
