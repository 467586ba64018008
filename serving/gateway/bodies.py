"""Reading a request and watching its client, on the raw ASGI connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.types import Receive

from serving.domain.openai_api import BodyTooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The request's body.

    Raises:
        BodyTooLarge: it has more than ``limit_bytes``.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit_bytes:
            raise BodyTooLarge(f"The body is larger than {limit_bytes} bytes.")
    return bytes(raw)


async def until_disconnect(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, or cancel it when the client hangs up."""

    async def hang_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, hanging_up = asyncio.ensure_future(work), asyncio.ensure_future(hang_up())
    try:
        await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, hanging_up):
            task.cancel()
        await asyncio.wait({working, hanging_up})
    if not working.cancelled():
        working.result()
