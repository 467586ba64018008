"""Loads adapters under their ids, unloads them, and has them loaded anew."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from compliance.errors import NotPermitted
from config.accounts.roles import Act
from config.core.pauses import growing
from registry.models import Adapter, BaseModel, Version
from serving.lifecycle import lookups, memory
from serving.lifecycle.acting import Acting, in_thread
from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.errors import AdapterNotLoaded, AdapterNotServed, LifecycleOverdue
from serving.lifecycle.metadata import public_name_of
from serving.models import Deployment, Replica
from serving.selectors.deployments import proven_on
from serving.selectors.nodes import is_usable
from serving.selectors.registrations import RegistrationState, facts_of, open_rollout_of
from serving.services import registrations, unloading
from serving.states import ReplicaState, RolloutState

log = structlog.get_logger("adapters.loading")
T = TypeVar("T")
LOAD_TIMEOUT_SECONDS = 120.0
_LOOK_EVERY_SECONDS = 0.2
_BY_HAND = "Unloaded by force."


@dataclass(frozen=True, kw_only=True)
class AdapterInstance:
    """A loaded version. ``name``: what clients ask for; ``nodes``: where it is proven now."""

    adapter_id: str
    version_id: str
    digest: str
    name: str
    state: str
    nodes: tuple[str, ...]


class Loader:
    """Behind ``load_adapter``, ``unload_adapter`` and ``reload_adapter``."""

    def __init__(self, acting: Acting, base: BaseModel, config: SystemConfiguration) -> None:
        self._acting, self._base, self._config = acting, base, config
        self._loads = asyncio.Semaphore(config.max_concurrent_loads)

    async def load(
        self, adapter_id: str, version_id: str | None, timeout_seconds: float
    ) -> AdapterInstance:
        """See ``LifecycleManager.load_adapter``."""
        async with self._loads:
            row = await in_thread(self._begin, adapter_id, version_id)
            made: AdapterInstance = await awaited(
                lambda: self._loaded(row, adapter_id), timeout_seconds, f"Loading {adapter_id}"
            )
        log.debug("lifecycle.loaded", deployment=made.name, digest=made.digest)
        return made

    async def unload(self, adapter_id: str, *, is_forced: bool, reason: str) -> bool:
        """See ``LifecycleManager.unload_adapter``."""
        count = await in_thread(self._unload, adapter_id, is_forced, reason)
        log.debug("lifecycle.unloaded", object=adapter_id, count=count)
        return count > 0

    async def reload(
        self, adapter_id: str, *, is_forced: bool, reason: str, timeout_seconds: float
    ) -> AdapterInstance:
        """See ``LifecycleManager.reload_adapter``."""
        row, replicas = await in_thread(self._of, adapter_id)
        # One node after the other, so that the others answer meanwhile.
        for replica in replicas:
            await in_thread(
                unloading.begin_reload,
                replica=replica,
                reason=reason,
                is_forced=is_forced,
                **self._acting.by,
            )
            await awaited(
                partial(_proven_again, replica),
                timeout_seconds,
                f"Loading {adapter_id} anew on {replica.node.name}",
            )
        log.debug("lifecycle.reloaded", object=adapter_id, count=len(replicas))
        return await in_thread(_instance, row, adapter_id)

    def _begin(self, adapter_id: str, version_id: str | None) -> Deployment:
        self._acting.require(Act.DEPLOY)
        adapter = lookups.adapter_by_id(adapter_id, self._base)
        version = lookups.version_of(adapter, version_id)
        serving = Deployment.objects.filter(stable_revision__version=version, is_enabled=True)
        found = serving.order_by("pk").first()
        if found is not None:
            return found
        memory.require_room(self._base, self._config, version)
        try:
            return registrations.register(
                name=public_name_of(adapter_id), version=version, **self._acting.by
            )
        except NotPermitted as error:
            raise lookups.with_blockers(version, error) from error

    def _loaded(self, deployment: Deployment, adapter_id: str) -> AdapterInstance | None:
        facts = facts_of(deployment)
        if facts.state is RegistrationState.LOADED:
            row = Deployment.objects.select_related("stable_revision__version").get(
                pk=deployment.pk
            )
            return _instance(row, adapter_id)
        rollout = open_rollout_of(deployment)
        if rollout is not None and rollout.state == RolloutState.PAUSED:
            raise AdapterNotLoaded(
                f"{adapter_id}: a person decides first. {rollout.paused_reason}",
                fix=f"Resume, promote or abort the rollout {rollout.uuid}.",
            )
        if facts.state is not RegistrationState.LOADING:
            raise AdapterNotLoaded(
                f"{adapter_id}: {facts.reason or 'it was unloaded meanwhile.'}",
                fix="Mend the cause and load it again.",
            )
        return None

    def _unload(self, adapter_id: str, is_forced: bool, reason: str) -> int:
        adapter = lookups.adapter_by_id(adapter_id, self._base)
        if not is_forced:
            return len(unloading.end_registrations(adapter=adapter, **self._acting.by))
        return len(unloading.force(adapter=adapter, reason=reason or _BY_HAND, **self._acting.by))

    def _of(self, adapter_id: str) -> tuple[Deployment, list[Replica]]:
        self._acting.require(Act.DEPLOY)
        adapter = lookups.adapter_by_id(adapter_id, self._base)
        row = _served(adapter)
        assert row.stable_revision is not None, "asked for above"
        rows = Replica.objects.filter(version=row.stable_revision.version).exclude(
            state=ReplicaState.UNLOADED
        )
        found = rows.select_related("node", "version__adapter").order_by("pk")
        # A node that is away loads by itself what it is to hold when it comes back.
        return row, [replica for replica in found if is_usable(replica.node)]


async def awaited(look: Callable[[], T | None], timeout_seconds: float, what: str) -> T:
    """The first answer of ``look`` that is not None.

    Raises:
        LifecycleOverdue: there was none in time.
    """
    until = time.monotonic() + timeout_seconds
    pauses = growing(longest_seconds=_LOOK_EVERY_SECONDS)
    while (found := await in_thread(look)) is None:
        if time.monotonic() >= until:
            raise LifecycleOverdue(
                f"{what} has not ended within {timeout_seconds:g} s.",
                fix="It goes on: ask for its state, or look at the nodes and the alerts.",
            )
        await asyncio.sleep(next(pauses))
    return found


def _served(adapter: Adapter) -> Deployment:
    rows = Deployment.objects.filter(is_enabled=True, stable_revision__version__adapter=adapter)
    found = rows.select_related("stable_revision__version").order_by("pk").first()
    if found is None:
        raise AdapterNotServed(f"Nothing answers with {adapter.ref} now.", fix="Load it first.")
    return found


def _proven_again(replica: Replica) -> Replica | None:
    row = Replica.objects.get(pk=replica.pk)
    if row.state == ReplicaState.FAILED:
        raise AdapterNotLoaded(
            f"It could not be loaded anew: {row.error}", fix="It is tried again by itself."
        )
    is_new = row.state == ReplicaState.READY and row.proven_at != replica.proven_at
    return row if is_new else None


def _instance(row: Deployment, adapter_id: str) -> AdapterInstance:
    revision = row.stable_revision
    version: Version | None = revision.version if revision is not None else None
    if revision is None or version is None:
        raise AdapterNotServed(f"{row.public_name} was ended meanwhile.", fix="Load it again.")
    nodes = tuple(sorted(node.name for node in proven_on(revision)))
    return AdapterInstance(
        adapter_id=adapter_id,
        version_id=version.version_name,
        digest=version.digest,
        name=row.public_name,
        state="loaded" if nodes else "loading",
        nodes=nodes,
    )
