"""One thing that starts and stops all of it."""

from typing import Any

import structlog

from config.accounts.models import User
from config.accounts.roles import Act
from registry.models import BaseModel
from serving.health import answers
from serving.health.measuring import measure
from serving.lifecycle.acting import Acting, acting_as, in_thread
from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.enums import SwapStrategy
from serving.lifecycle.errors import LifecycleClosed
from serving.lifecycle.hot_swap import HotSwap
from serving.lifecycle.loading import LOAD_TIMEOUT_SECONDS, AdapterInstance, Loader
from serving.lifecycle.memory import Manager, MemoryMonitor
from serving.lifecycle.metadata import AdapterMetadata
from serving.lifecycle.metrics import Metrics
from serving.lifecycle.registry import AdapterRegistry, RegisteredAdapter
from serving.lifecycle.rollback import Rollback
from serving.lifecycle.validator import AdapterValidator
from serving.lifecycle.watching import Handler, Watcher

log = structlog.get_logger("adapters.manager")
_BY_SWAP = "Hot-swap."


class LifecycleManager:
    """The medical system's verbs over this house's services, in the name of one account.

    Everything passes the same gate as through any other door. Made by
    ``create_lifecycle_manager``.
    """

    def __init__(self, acting: Acting, base: BaseModel, config: SystemConfiguration) -> None:
        self.config = config
        self.registry = AdapterRegistry(acting, base)
        self.hot_swap = HotSwap(acting, base, config)
        self.metrics = Metrics(acting, base)
        self.validator = AdapterValidator(acting)
        self.manager = Manager(MemoryMonitor(acting, base, config))
        self._acting = acting
        self._loader = Loader(acting, base, config)
        self._rollback = Rollback(acting, base, config)
        self._is_closed = False
        self._watcher = Watcher(
            base,
            trail_seconds=config.monitoring_interval,
            health_seconds=config.health_check_interval,
        )

    async def start(self) -> None:
        """Begin to watch."""
        await self._watcher.start()
        log.debug("lifecycle.started", object=self.config.base_model_id)

    async def shutdown(self) -> None:
        """Tell no more events and take no more orders; what is loaded goes on answering."""
        self._is_closed = True
        await self._watcher.stop()
        log.debug("lifecycle.shut_down", object=self.config.base_model_id)

    async def register_adapter(self, metadata: AdapterMetadata) -> RegisteredAdapter:
        """Open an adapter, or bring the words about it up to date, field by field.

        Raises:
            MetadataInvalid: naming the field.
            Conflict: it is there with another base, type or safety class.
            Forbidden: no role of the account may submit.
        """
        self._require_open()
        return await in_thread(self.registry.register, metadata)

    async def load_adapter(
        self,
        adapter_id: str,
        version_id: str | None = None,
        *,
        timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
    ) -> AdapterInstance:
        """Have an approved version loaded, proven and answering under the adapter's id.

        Without ``version_id``: the live version, else the only one that is approved. What answers
        already is returned as it is.

        Raises:
            NotPermitted: it is not approved; the message names what blocks.
            LifecycleBusy: the configuration has no room for it.
            AdapterNotLoaded: the nodes could not load it, or a person has to decide.
            LifecycleOverdue: it is not there in time, and goes on.
            Forbidden: no role of the account may deploy.
        """
        self._require_open()
        return await self._loader.load(adapter_id, version_id, timeout_seconds)

    async def unload_adapter(
        self, adapter_id: str, force: bool = False, *, reason: str = ""
    ) -> bool:
        """End what programs had loaded of an adapter; whether there was something.

        Its route ends with this, its replicas go when no gateway routes to them. ``force``: at
        once, from every node, stuck replicas too.

        Raises:
            AdapterServed: a deployment of the house serves it.
            Forbidden: no role of the account may deploy.
        """
        self._require_open()
        return await self._loader.unload(adapter_id, is_forced=force, reason=reason)

    async def reload_adapter(
        self,
        adapter_id: str,
        force: bool = False,
        *,
        reason: str = "Loaded anew.",
        timeout_seconds: float = LOAD_TIMEOUT_SECONDS,
    ) -> AdapterInstance:
        """Have the version that answers dropped, fetched and proven anew, one node after another.

        ``force``: also on the last node that answers, with an interruption.

        Raises:
            LastReplica: nobody would answer meanwhile, and it is not forced.
            AdapterNotServed, AdapterNotLoaded, LifecycleOverdue, Forbidden: as ``load_adapter``.
        """
        self._require_open()
        return await self._loader.reload(
            adapter_id, is_forced=force, reason=reason, timeout_seconds=timeout_seconds
        )

    async def hot_swap_adapters(
        self,
        from_adapter_id: str,
        from_version_id: str,
        to_adapter_id: str,
        to_version_id: str,
        strategy: SwapStrategy = SwapStrategy.CANARY,
        *,
        deployment: str | None = None,
        reason: str = _BY_SWAP,
    ) -> str:
        """Start a rollout where the first version answers now, to the second one; its id.

        ``deployment``: which, where several answer with the first version. A version of another
        adapter may follow only under a name that a program has loaded.

        Raises:
            RolloutInvalid: a strategy that the house does not have, or another adapter's version.
            NotPermitted: the second version is not approved; the message names what blocks.
            LifecycleBusy: ``max_concurrent_swaps`` are under way.
            AdapterNotServed, RolloutOpen, NoSlotForRollout, Forbidden: it can't be done now.
        """
        self._require_open()
        return await self.hot_swap.start(
            (from_adapter_id, from_version_id),
            (to_adapter_id, to_version_id),
            strategy,
            deployment=deployment,
            reason=reason,
        )

    async def rollback_adapter(
        self, adapter_id: str, reason: str, *, deployment: str | None = None
    ) -> str:
        """Abort the rollout that brings the adapter, else bring the earlier version back; its id.

        Raises:
            AdapterNotServed, NothingToRollBackTo, RolloutOpen, Forbidden, Invalid: it can't be.
        """
        self._require_open()
        return await self._rollback.start(adapter_id, reason=reason, deployment=deployment)

    async def emergency_rollback(
        self, adapter_id: str, reason: str, *, deployment: str | None = None
    ) -> str:
        """As ``rollback_adapter``, and returns when the route has changed.

        Raises:
            LifecycleOverdue: not within ``emergency_swap_timeout``.
            AdapterNotLoaded: the earlier version could not be brought back.
        """
        self._require_open()
        return await self._rollback.emergency(adapter_id, reason=reason, deployment=deployment)

    async def get_system_status(self) -> dict[str, Any]:
        """``state``, ``active_adapters``, ``memory_usage_mb``, ``system_health``."""
        told = await self._health()
        keys = ("state", "active_adapters", "memory_usage_mb", "system_health")
        return {key: told[key] for key in keys}

    async def health_check(self) -> dict[str, Any]:
        """``overall_health``, ``components`` and ``alerts``, as ``GET /api/v1/health`` says."""
        told = await self._health()
        return {key: told[key] for key in ("overall_health", "components", "alerts")}

    def add_event_handler(self, event_type: str, handler: Handler) -> None:
        """Call a function or coroutine function with each event's data, a dict.

        Raises:
            Invalid: there is no such event.
        """
        self._require_open()
        self._watcher.add(event_type, handler)

    async def _health(self) -> dict[str, Any]:
        self._require_open()
        await in_thread(self._acting.require, Act.READ)
        return answers.full(await in_thread(measure), is_trusted=True)

    def _require_open(self) -> None:
        if self._is_closed:
            raise LifecycleClosed(
                "This lifecycle manager was shut down.", fix="Create another one."
            )


async def create_lifecycle_manager(
    config: SystemConfiguration, *, user: User | str | None = None
) -> LifecycleManager:
    """A manager that acts in the name of ``user``: an account or its name, else LIFECYCLE_USER.

    Raises:
        Forbidden: nobody is named, or the account is closed or belongs to no person.
        AccountNotFound, BaseModelNotFound: there is none of this name.
        ConfigurationRefused: the configuration contradicts the house.
    """
    acting = await in_thread(acting_as, user)
    base = await in_thread(config.settle)
    made = LifecycleManager(acting, base, config)
    await made.start()
    return made
