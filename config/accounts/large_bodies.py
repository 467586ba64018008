"""Refuses large bodies of callers whom nobody knows, before a byte of them is read or stored.

Django under ASGI writes a whole body to disk before any view asks who sends it.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
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


class LargeBodies:
    """In front of Django: a body that would not fit in memory needs a known token or session.

    This is no authentication: the views authenticate and authorise as ever. It only decides
    whether the body is worth disk space.
    """

    def __init__(self, django: ASGIApp) -> None:
        self._django = django

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            headers = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
            }
            known = sync_to_async(_is_known, thread_sensitive=False)
            if _may_be_large(headers) and not await known(headers, scope["path"]):
                await _refuse(receive, send)
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


async def _refuse(receive: Receive, send: Send) -> None:
    request_id = uuid4().hex
    body = json.dumps(
        problem(
            status=401,
            code="not-authenticated",
            title="Not authenticated",
            detail="A body of this size is taken only from a signed-in account or a valid token.",
            fix="Send Authorization: Bearer with a valid API token. Nothing was stored.",
        )
        | {"request_id": request_id}
    ).encode()
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
    ]
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
