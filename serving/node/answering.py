"""One answer of the node from its permission to its books, whatever form it is told in."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from config.core.errors import DomainError
from serving.engines.base import GenerateRequest, TokenEvent
from serving.node.state import Node
from serving.node.streams import Answer, ClientGone, first_event

log = structlog.get_logger("node")


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer whose first token is there. ``on_end`` takes the finish and the token count."""

    answer: Answer
    first: TokenEvent
    on_end: Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Whole:
    """A finished answer."""

    text: str
    last: TokenEvent


async def begin(node: Node, asked: GenerateRequest, digest: str, request: Request) -> Begun:
    """Ask the engine; ``digest`` is what the caller has found to be permitted.

    Raises:
        ClientGone: the client hung up before the first token.
        DomainError: the engine refused, or the version was stopped meanwhile.
    """
    answer = Answer(node.engine, asked, digest)
    node.answers.add(answer)
    node.metrics.begun(len(node.answers))
    started = time.monotonic()

    def on_end(finish: str, tokens: int) -> None:
        node.answers.discard(answer)
        node.metrics.ended(finish, tokens)
        log.info(
            "answer.ended",
            replica=asked.name or "base",
            state=finish,
            count=tokens,
            duration_ms=round(1000 * (time.monotonic() - started), 1),
        )

    try:
        event = await first_event(answer, request)
        answer.digest = event.digest
        if asked.name is not None:
            node.stops.require_allowed(event.digest)
    except ClientGone:
        await answer.aclose()
        on_end("cancelled", 0)
        raise
    except DomainError as error:
        await answer.aclose()
        on_end(f"refused:{error.code}", 0)
        raise
    return Begun(answer, event, on_end)


async def to_the_end(begun: Begun, request: Request) -> Whole:
    """The whole answer, unless the client hangs up before it.

    Raises:
        ClientGone: it did; the answer is closed.
        DomainError: it broke off, or was withdrawn.
    """
    collecting = asyncio.ensure_future(_collected(begun))
    hanging_up = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({collecting, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if collecting.done():
            return collecting.result()
        raise ClientGone
    finally:
        for task in (collecting, hanging_up):
            task.cancel()
        await asyncio.wait({collecting, hanging_up})


async def _collected(begun: Begun) -> Whole:
    texts, tokens, event, finish = [begun.first.text], 1, begun.first, "cancelled"
    try:
        while event.finish is None:
            event = await begun.answer.next()
            texts.append(event.text)
            tokens += 1
        finish = event.finish
        return Whole("".join(texts), event)
    except DomainError as error:
        finish = "stopped" if error.code == "stopped" else "failed"
        raise
    finally:
        await begun.answer.aclose()
        begun.on_end(finish, tokens)
