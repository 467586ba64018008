"""Keeps the routing snapshot fresh: polls one row a second, reads again on change."""

import asyncio
import time
from contextlib import suppress

import structlog

from compliance.services import restores, stops
from serving.domain.routing import (
    DeploymentRoute,
    LeaseClock,
    RoutingSnapshot,
    Standing,
    Target,
    standing,
)
from serving.gateway.limits import Limits
from serving.gateway.node_client import NodeClient
from serving.gateway.threads import DatabaseThreads
from serving.selectors import routing as selectors

log = structlog.get_logger(__name__)


class SnapshotKeeper:
    """The last snapshot, the leases on this process's clock, and how fresh both are."""

    def __init__(self, limits: Limits, nodes: NodeClient, threads: DatabaseThreads) -> None:
        self._limits = limits
        self._nodes = nodes
        self._threads = threads
        self._leases = LeaseClock()
        self._read_at = self._polled_at = float("-inf")
        self._began_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._polled = asyncio.Condition()
        self.current = RoutingSnapshot()

    @property
    def is_control_away(self) -> bool:
        """Whether the database has not answered for ``away_after_seconds``."""
        return time.monotonic() - self._polled_at > self._limits.away_after_seconds

    def standing(self, route: DeploymentRoute, target: Target) -> Standing:
        """Whether ``target`` may start an answer now."""
        return standing(
            route,
            target,
            snapshot=self.current,
            leases=self._leases,
            at_seconds=time.monotonic(),
            is_control_away=self.is_control_away,
        )

    async def start(self) -> None:
        """Read once, then go on in the background."""
        await self._poll_safely()
        self._task = asyncio.create_task(self._run(), name="gateway-snapshots")

    async def stop(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def look_again(self) -> None:
        """Wait for a poll that begins from now on, for at most ``database_seconds``.

        For whoever learns that a node knew of a change before this process did. All polls are made
        by one task, so an older snapshot never replaces a newer one, and however many requests
        wait, it polls at most every ``least_poll_seconds``.
        """
        asked_at = time.monotonic()
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.database_seconds), self._polled:
                await self._polled.wait_for(lambda: self._began_at >= asked_at)

    async def _poll(self) -> None:
        """Look at the epochs; read the snapshot when they moved, or when it has grown old.

        First, and after the database was away, a restored one is noticed before it is followed.
        """
        began = time.monotonic()
        if self.is_control_away:
            await self._threads.run(restores.begin)
        await self._threads.run(stops.follow, self.current.stops)
        epochs = await self._threads.run(selectors.epochs)
        is_old = began - self._read_at >= self._limits.reread_seconds
        if is_old or epochs != (self.current.routing_epoch, self.current.stops_epoch):
            began = time.monotonic()
            snapshot = await self._threads.run(selectors.build_snapshot)
            if self._is_newer_than(snapshot):
                # The database was restored while this process ran.
                await self._threads.run(restores.begin)
                snapshot = await self._threads.run(selectors.build_snapshot)
            self._take(snapshot, began)
        self._polled_at = began

    def _is_newer_than(self, snapshot: RoutingSnapshot) -> bool:
        return (
            self.current.routing_epoch > snapshot.routing_epoch
            or self.current.stops_epoch > snapshot.stops_epoch
        )

    def _take(self, snapshot: RoutingSnapshot, read_at_seconds: float) -> None:
        # Leases count from before the read: a renewal is never taken for younger than it is.
        self._leases.observe(snapshot.leases, at_seconds=read_at_seconds)
        new_stops = snapshot.stops - self.current.stops
        self.current, self._read_at = snapshot, read_at_seconds
        if new_stops:
            self._nodes.stop(new_stops)
            log.warning("gateway.stops", epoch=snapshot.stops_epoch, count=len(snapshot.stops))

    async def _run(self) -> None:
        while True:
            await self._until_due()
            await self._poll_safely()

    async def _until_due(self) -> None:
        """Until ``poll_seconds`` after the last poll began, or earlier where one is wanted."""
        limits = self._limits
        soonest = self._began_at + min(limits.least_poll_seconds, limits.poll_seconds)
        await asyncio.sleep(max(0.0, soonest - time.monotonic()))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._began_at + limits.poll_seconds - time.monotonic()):
                await self._wanted.wait()

    async def _poll_safely(self) -> None:
        was_away = self.is_control_away
        self._wanted.clear()
        began = time.monotonic()
        try:
            await self._poll()
        except Exception:
            # The outermost loop of this task: whatever fails here, answers go on from the last
            # snapshot for as long as leases and policies allow, and the next round tries again.
            log.exception("gateway.poll_failed")
        else:
            if was_away:
                log.info("gateway.control_reached", epoch=self.current.routing_epoch)
        async with self._polled:
            self._began_at = began
            self._polled.notify_all()
