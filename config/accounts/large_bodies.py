"""Refuses large bodies of callers whom nobody knows, before a byte of them is read or stored.

Django under ASGI writes a whole body to disk before any view asks who sends it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import uuid4

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import connections
from django.http.cookie import parse_cookie
from django.utils.datastructures import CaseInsensitiveMapping
from starlette.types import ASGIApp, Receive, Scope, Send

from config.core.problems import CONTENT_TYPE, problem

from .authentication import find_token, given_tokens

# What a refused caller may still send and have thrown away, so that he can read the answer.
DISCARDED_BYTES = 16 << 20
DISCARDED_SECONDS = 2.0


@dataclass(frozen=True)
class Refusal:
    """The body of a 401, to be written as JSON, and the headers that it needs."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]


# From the path and the problem document to what the contract that stands there says.
RefusalAt = Callable[[str, Mapping[str, Any]], Refusal]


class LargeBodies:
    """In front of Django: a body that would not fit in memory needs a known token or session.

    This is no authentication: the views authenticate and authorise as ever. It only decides
    whether the body is worth disk space.
    """

    def __init__(self, django: ASGIApp, refusal_at: RefusalAt | None = None) -> None:
        self._django = django
        self._refusal_at = refusal_at or _as_it_is

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }
            known = sync_to_async(_is_known, thread_sensitive=False)
            if _may_be_large(headers) and not await known(headers, scope["path"]):
                await _refuse(self._refusal_at, scope["path"], receive, send)
                return
        await self._django(scope, receive, send)


def _may_be_large(headers: Mapping[str, str]) -> bool:
    """Whether Django would write the body to disk, or can't tell beforehand."""
    if "transfer-encoding" in headers:
        return True
    length = headers.get("content-length", "0")
    return not length.isdecimal() or int(length[:20]) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE


def _is_known(headers: Mapping[str, str], path: str) -> bool:
    try:
        given = given_tokens(CaseInsensitiveMapping(headers), path)
        if given:
            return len(given) == 1 and find_token(given[0]) is not None
        key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
        if not key:
            return False
        store = import_module(settings.SESSION_ENGINE).SessionStore(key)
        return SESSION_KEY in store
    finally:
        # This thread belongs to no request at whose end Django would do it.
        connections.close_all()


def _as_it_is(path: str, refusal: Mapping[str, Any]) -> Refusal:
    return Refusal(refusal, {"Content-Type": CONTENT_TYPE})


async def _refuse(refusal_at: RefusalAt, path: str, receive: Receive, send: Send) -> None:
    request_id = uuid4().hex
    told = refusal_at(
        path,
        problem(
            status=401,
            code="not-authenticated",
            title="Not authenticated",
            detail="A body of this size is taken only from a signed-in account or a valid token.",
            fix="Send Authorization: Bearer with a valid API token. Nothing was stored.",
        )
        | {"request_id": request_id},
    )
    body = json.dumps(told.body).encode()
    given = {
        **told.headers,
        "Content-Length": str(len(body)),
        "WWW-Authenticate": "Bearer",
        "Connection": "close",
        "X-Request-Id": request_id,
    }
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    # A connection that is closed while its client still sends is reset, answer and all.
    left_bytes = DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARDED_SECONDS):
            while left_bytes > 0:
                event = await receive()
                if event["type"] != "http.request" or not event.get("more_body", False):
                    break
                left_bytes -= len(event.get("body", b""))
    await send({"type": "http.response.body", "body": b"", "more_body": False})
