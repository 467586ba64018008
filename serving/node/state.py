"""What the node holds in memory: its engine, permits, and the answers in flight."""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from config.core.errors import DomainError
from config.core.failpoints import failpoint
from serving.domain import shown
from serving.engines.base import AdapterState, Engine
from serving.engines.errors import AdapterUnknown, AnswerFailed
from serving.node.metrics import NodeMetrics
from serving.node.packages import RUNTIME_NAME, require_name_fits, verify_package
from serving.node.permits import LeaseKey, Leases, Stops
from serving.node.problems import Stopped
from serving.node.streams import Answer

log = structlog.get_logger("node")


class Node:
    """One engine and what it may do now. ``boot_id`` changes with every start of the process."""

    def __init__(self, *, name: str, base_name: str, engine: Engine) -> None:
        self.name = name
        self.base_name = base_name
        self.engine = engine
        self.boot_id = str(uuid.uuid4())
        self.leases = Leases(time.monotonic)
        self.stops = Stops()
        self.answers: set[Answer] = set()
        self.metrics = NodeMetrics()

    async def load(
        self, name: str, digest: str, path: Path, lease: tuple[LeaseKey, float] | None
    ) -> None:
        """Verify every byte, then load and publish; the same again only renews the lease.

        Raises:
            DigestMismatch: name, digest and bytes do not belong together.
            Stopped: the digest is stopped, before or while it was loading.
            DomainError: what ``Engine.load`` raises.
        """
        require_name_fits(name, digest)
        self.stops.require_allowed(digest)
        started = time.monotonic()
        if self.published_digest(name) != digest:
            try:
                await asyncio.to_thread(verify_package, path, digest)
                await asyncio.to_thread(failpoint, "node.load.verified")
                await asyncio.to_thread(self.engine.load, name, path, digest)
                await asyncio.to_thread(failpoint, "node.load.loaded")
            except DomainError as error:
                log.warning("replica.refused", replica=name, digest=digest, code=error.code)
                raise
            self.metrics.swapped(time.monotonic() - started)
            log.info(
                "replica.loaded",
                replica=name,
                digest=digest,
                duration_ms=round(1000 * (time.monotonic() - started), 1),
            )
        try:
            self.stops.require_allowed(digest)
        except DomainError:
            await self.unload(name)
            raise
        if lease is not None:
            self.leases.grant(lease[0], ttl_seconds=lease[1])

    async def unload(self, name: str) -> str:
        """Drop ``name`` and its leases; tells whether answers still use its slot.

        Raises:
            AdapterUnknown: it is not loaded.
        """
        if not RUNTIME_NAME.fullmatch(name):
            raise AdapterUnknown("This is no name of a version", fix="Name it slug@<12 hex>.")
        state = await asyncio.to_thread(self.engine.unload, name)
        self.leases.drop(name)
        told = "unloaded" if state is None else "unloading"
        log.info("replica.unloaded", replica=name, state=told)
        return told

    async def apply_stops(self, epoch: int, digests: list[str]) -> None:
        """Take over the stops: end their answers and unload their replicas."""
        self.stops.apply(epoch, digests)
        stopped = self.stops.digests
        withdrawn = Stopped("the version was stopped everywhere while it answered")
        await self._end_answers(lambda answer: answer.digest in stopped, withdrawn)
        for adapter in self.engine.loaded():
            if adapter.digest in stopped and adapter.state is AdapterState.LOADED:
                with suppress(AdapterUnknown):  # somebody else has unloaded it meanwhile
                    await self.unload(adapter.name)
        log.info("stops.applied", epoch=self.stops.epoch, count=len(stopped))

    async def end_all(self) -> None:
        """End every answer in flight as failed: the process is about to end."""
        await self._end_answers(lambda _: True, AnswerFailed("the node is shutting down"))

    async def _end_answers(self, chosen: Callable[[Answer], bool], error: DomainError) -> None:
        await asyncio.gather(*(a.end(error) for a in list(self.answers) if chosen(a)))

    def published_digest(self, name: str) -> str | None:
        """The digest that answers for ``name`` now."""
        for adapter in self.engine.loaded():
            if adapter.name == name and adapter.state is AdapterState.LOADED:
                return adapter.digest
        return None

    def require_permitted(self, name: str, purpose: Any, run: str | None) -> str:
        """The digest behind ``name`` if it may start an answer now.

        Raises:
            AdapterUnknown: it is not loaded.
            Stopped: its digest is stopped.
            NoLease: no lease for this purpose and run is alive.
        """
        digest = self.published_digest(name)
        if digest is None:
            hex_ = name.rsplit("@", 1)[-1]
            for stopped in self.stops.digests:
                if len(hex_) == 12 and stopped.startswith(hex_):
                    self.stops.require_allowed(stopped)
            raise AdapterUnknown(
                f"{shown.name_or(name, 'The version')} is not loaded",
                fix="Load it on this node first.",
            )
        self.stops.require_allowed(digest)
        self.leases.require(LeaseKey(name, digest, purpose, run))
        return digest

    def status(self) -> dict[str, Any]:
        """What ``GET status`` tells."""
        facts = self.engine.capabilities()
        loaded = self.engine.loaded()
        return {
            "name": self.name,
            "engine": facts.engine,
            "engine_build": facts.engine_build,
            "device": facts.device,
            "dtype": facts.dtype,
            "boot_id": self.boot_id,
            "base": {"name": self.base_name, "digest": facts.base_digest},
            "slots": facts.slots,
            "slots_free": facts.slots - len(loaded),
            "max_rank": facts.max_rank,
            "max_model_len": facts.max_model_len,
            "memory_bytes": resident_bytes(),
            "leases": [
                {
                    "name": key.name,
                    "digest": key.digest,
                    "purpose": key.purpose,
                    "run": key.run,
                    "expires_in_seconds": round(left, 3),
                }
                for key, left in self.leases.live()
            ],
            "clock_seconds": self.leases.clock_seconds,
            "stops_epoch": self.stops.epoch,
            "loaded": [
                {"name": a.name, "digest": a.digest, "state": a.state.value, "refs": a.refs}
                for a in loaded
            ],
        }


def resident_bytes() -> int:
    """Resident memory of this process in bytes (Linux), 0 where it can't be read."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
