"""Answers on their way to clients as server-sent events, and how a stop reaches them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from config.core.errors import DomainError
from serving.engines.base import Engine, GenerateRequest, TokenEvent
from serving.engines.errors import AnswerFailed
from serving.node.problems import Stopped

log = structlog.get_logger("node")


class ClientGone(Exception):
    """The client hung up before the first token."""


class Answer:
    """One answer in flight: the engine's events, until they end or ``end`` is called."""

    def __init__(self, engine: Engine, request: GenerateRequest, digest: str) -> None:
        self.digest = digest
        self._events: Any = engine.generate(request)
        self._is_waiting = False
        self._ending: DomainError | None = None

    async def next(self) -> TokenEvent:
        """The next event.

        Raises:
            DomainError: what the engine raised, or what ``end`` was given.
        """
        event: TokenEvent | None = None
        if self._ending is None:
            self._is_waiting = True
            try:
                event = await anext(self._events, None)
            finally:
                self._is_waiting = False
        if self._ending is not None:
            raise self._ending
        if event is None:
            raise AnswerFailed("the engine ended the answer without a finish")
        return event

    async def end(self, error: DomainError) -> None:
        """End the answer with ``error`` at its next step; at once when its client reads slowly."""
        self._ending = error
        if not self._is_waiting:
            await self._events.aclose()

    async def aclose(self) -> None:
        """Free what the answer holds in the engine."""
        await self._events.aclose()


async def first_event(answer: Answer, request: Request) -> TokenEvent:
    """The first event, unless the client hangs up before it.

    Raises:
        ClientGone: it did; the answer is closed.
        DomainError: the engine refused the request.
    """
    waiting = asyncio.ensure_future(answer.next())
    hanging_up = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({waiting, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise ClientGone
    finally:
        for task in (waiting, hanging_up):
            task.cancel()
        await asyncio.wait({waiting, hanging_up})


def event_line(event: TokenEvent) -> str:
    """One event as a line of the stream."""
    data: dict[str, Any] = {
        "token_id": event.token_id,
        "text": event.text,
        "finish": event.finish,
        "digest": event.digest,
    }
    if event.margin is not None:
        data["margin"] = event.margin
    if event.finish is not None:
        data["usage"] = {
            "prompt_tokens": event.prompt_tokens,
            "completion_tokens": event.completion_tokens,
        }
    return _line(data)


def _line(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def event_lines(
    answer: Answer, first: TokenEvent, on_end: Callable[[str, int], None]
) -> AsyncIterator[str]:
    """The lines of a stream. ``on_end`` is told the finish and the number of tokens, always once.

    A stop or a failure after the first token ends the stream with a line whose finish is
    ``stopped`` or ``failed``; nothing else may follow it.
    """
    finish, tokens, event = "cancelled", 0, first
    try:
        while True:
            tokens += 1
            if event.finish is not None:
                finish = event.finish
            yield event_line(event)
            if event.finish is not None:
                return
            event = await answer.next()
    except Stopped:
        finish = "stopped"
        yield _ending(answer, finish, None)
    except DomainError as error:
        finish = "failed"
        yield _ending(answer, finish, error.code)
    finally:
        await answer.aclose()
        on_end(finish, tokens)


def _ending(answer: Answer, finish: str, code: str | None) -> str:
    data = {"token_id": None, "text": "", "finish": finish, "digest": answer.digest}
    return _line(data if code is None else {**data, "code": code})


class EventStream(StreamingResponse):
    """A stream of events that frees its answer also when the client hangs up in mid-send."""

    def __init__(self, lines: AsyncIterator[str] | AsyncIterator[bytes]) -> None:
        super().__init__(
            lines,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, then close the lines whatever happened."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().__call__(scope, receive, send)
