"""``POST /v1/feedback``: what any application says of an answer that it was given."""

import asyncio
from typing import Any

from django.db import DatabaseError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.middleware import request_id_var
from serving.domain.openai_api import ParameterUnsupported, RequestRefused, parse_body
from serving.domain.routing import TokenGrant
from serving.gateway.bodies import read_body
from serving.gateway.errors import DatabaseAway
from serving.gateway.gateway import Gateway
from serving.services import feedback

_KEYS = frozenset({"answer_id", "verdict", "category", "text"})


class FeedbackEndpoint:
    """Takes one verdict."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = Request(scope, receive)
        grant = await self._gateway.access.grant_of(request.headers, scope=Act.FEEDBACK)
        try:
            body = parse_body(await read_body(request, self._gateway.limits.body_bytes))
        except ClientDisconnect:
            return
        for name in body:
            if name not in _KEYS:
                raise ParameterUnsupported(
                    f"Feedback holds something else than {', '.join(sorted(_KEYS))}."
                )
        verdict = body.get("verdict")
        if not isinstance(verdict, str) or verdict not in feedback.VERDICTS:
            raise RequestRefused("verdict is neither good nor bad.", param="verdict")
        recorded = await self._record(
            answer_id=_text(body, "answer_id", 200, is_needed=True),
            verdict=verdict,
            category=_text(body, "category", feedback.MAX_CATEGORY_CHARS),
            text=_text(body, "text", feedback.MAX_TEXT_CHARS),
            actor=_actor(grant, request),
        )
        answer = {
            "answer_id": recorded.feedback.answer_id,
            "verdict": recorded.verdict,
            "counted": recorded.is_counted,
        }
        await JSONResponse(answer)(scope, receive, send)

    async def _record(self, **values: Any) -> feedback.Recorded:
        gateway = self._gateway
        error: Exception | None = None
        if not gateway.snapshots.is_control_away:
            try:
                async with asyncio.timeout(gateway.limits.database_seconds):
                    return await gateway.request_threads.run(feedback.record, **values)
            except (DatabaseError, TimeoutError) as caught:
                error = caught
        raise DatabaseAway(
            "Feedback can't be written now.",
            fix="Try again in a few seconds; the same feedback twice does no harm.",
            retry_after_seconds=gateway.limits.retry_after_seconds,
        ) from error


def _text(body: dict[str, Any], name: str, max_chars: int, *, is_needed: bool = False) -> str:
    value = body.get(name)
    if value is None and not is_needed:
        return ""
    if not isinstance(value, str) or len(value) > max_chars or (is_needed and not value):
        raise RequestRefused(f"{name} is not a text of at most {max_chars} characters.", param=name)
    if "\0" in value or (name == "category" and not value.isprintable()):
        raise RequestRefused(f"{name} holds control characters.", param=name)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RequestRefused(f"{name} holds a lone surrogate.", param=name) from error
    return value


def _actor(grant: TokenGrant, request: Request) -> Actor:
    return Actor(
        kind="user",
        name=grant.username,
        user_id=grant.user_pk,
        person_id=grant.person_pk,
        ip="" if request.client is None else request.client.host,
        session=f"token:{grant.prefix}",
        request_id=request_id_var.get(),
    )
