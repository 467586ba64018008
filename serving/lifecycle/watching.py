"""Calls handlers: at once for what this process does, at an interval for what others do."""

import asyncio
import weakref
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import transaction

from config.core.errors import Invalid
from config.core.events import Event, subscribe
from registry.models import BaseModel
from serving.events import ReplicaMoved, RolloutMoved
from serving.lifecycle.acting import in_thread
from serving.lifecycle.enums import EventType
from serving.lifecycle.news import Health, News, Trail

log = structlog.get_logger("adapters.watching")
Handler = Callable[[dict[str, Any]], Awaitable[None] | None]
_watchers: "weakref.WeakSet[Watcher]" = weakref.WeakSet()


class Watcher:
    """Two tasks: one reads the trail, one asks for the health."""

    def __init__(self, base: BaseModel, *, trail_seconds: float, health_seconds: float) -> None:
        self._base = base
        self._seconds = {"trail": trail_seconds, "health": health_seconds}
        self._handlers: dict[EventType, list[Handler]] = defaultdict(list)
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look; what happened before is not told."""
        trail = await in_thread(Trail, self._base)
        subscribe(ReplicaMoved, _wake)
        subscribe(RolloutMoved, _wake)
        _watchers.add(self)
        self._tasks = [
            asyncio.create_task(self._repeat("trail", trail.look, self._news)),
            asyncio.create_task(self._repeat("health", Health(self._base).look, None)),
        ]

    async def stop(self) -> None:
        """End both tasks; nothing is told after this."""
        _watchers.discard(self)
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def add(self, event_type: str, handler: Handler) -> None:
        """Call ``handler`` for each event of a type.

        Raises:
            Invalid: there is no such event.
        """
        try:
            kind = EventType(event_type)
        except ValueError as error:
            raise Invalid(
                f"There is no event {str(event_type)[:40]!r}.",
                fix=f"There are {', '.join(str(each) for each in EventType)}.",
            ) from error
        self._handlers[kind].append(handler)

    def wake(self) -> None:
        """Look at the trail now; may be called from any thread."""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._news.set)

    async def _repeat(
        self, name: str, look: Callable[[], list[News]], woken: asyncio.Event | None
    ) -> None:
        while True:
            await _wait(self._seconds[name], woken)
            try:
                found = await in_thread(look)
            except DatabaseError as error:
                # It is asked again: a database that is away comes back.
                log.warning("lifecycle.look_failed", process=name, error_type=type(error).__name__)
                continue
            for kind, data in found:
                await self._tell(kind, data)

    async def _tell(self, kind: EventType, data: dict[str, Any]) -> None:
        log.debug("lifecycle.event", code=str(kind), count=len(self._handlers[kind]))
        for handler in list(self._handlers[kind]):
            try:
                answer = handler(dict(data))
                if answer is not None:
                    await answer
            except Exception as error:  # noqa: BLE001 - the outermost frame of another's code
                # One handler that fails must not keep the others from hearing of a failed health
                # check. What its error says may be about patients.
                log.error(
                    "lifecycle.handler_failed", code=str(kind), error_type=type(error).__name__
                )


async def _wait(seconds: float, woken: asyncio.Event | None) -> None:
    if woken is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), seconds)
    woken.clear()


def _wake(event: Event) -> None:
    def tell() -> None:
        for watcher in list(_watchers):
            watcher.wake()

    transaction.on_commit(tell)
