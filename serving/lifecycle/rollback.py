"""Ways back: an abort before the promotion, a rollback after it; in an emergency awaited."""

import structlog

from config.accounts.roles import Act
from registry.models import BaseModel
from serving.lifecycle import lookups
from serving.lifecycle.acting import Acting, in_thread
from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.errors import AdapterNotLoaded
from serving.lifecycle.loading import awaited
from serving.models import Rollout
from serving.services import rollbacks, rollouts
from serving.states import ADVANCING_ROLLOUT_STATES, ROLLBACK, RolloutState, Trigger

log = structlog.get_logger("adapters.rollback")
_ROUTE_CHANGED = (RolloutState.PROMOTED, RolloutState.ABORTING, RolloutState.ABORTED)


class Rollback:
    """Behind ``rollback_adapter`` and ``emergency_rollback``."""

    def __init__(self, acting: Acting, base: BaseModel, config: SystemConfiguration) -> None:
        self._acting, self._base, self._config = acting, base, config

    async def start(self, adapter_id: str, *, reason: str, deployment: str | None) -> str:
        """See ``LifecycleManager.rollback_adapter``."""
        made = await in_thread(self._start, adapter_id, reason, deployment, Trigger.MANUAL)
        log.debug("lifecycle.rollback_started", rollout=str(made.uuid))
        return str(made.uuid)

    async def emergency(self, adapter_id: str, *, reason: str, deployment: str | None) -> str:
        """See ``LifecycleManager.emergency_rollback``."""
        made = await in_thread(self._start, adapter_id, reason, deployment, Trigger.EMERGENCY)
        await awaited(
            lambda: _route_changed(made.pk),
            self._config.emergency_swap_timeout,
            f"The emergency rollback {made.uuid}",
        )
        log.debug("lifecycle.emergency_rollback_done", rollout=str(made.uuid))
        return str(made.uuid)

    def _start(
        self, adapter_id: str, reason: str, deployment: str | None, trigger: Trigger
    ) -> Rollout:
        self._acting.require(Act.DEPLOY)
        adapter = lookups.adapter_by_id(adapter_id, self._base)
        row = lookups.deployment_of(adapter, name=deployment)
        rolling = Rollout.objects.filter(
            deployment=row,
            state__in=ADVANCING_ROLLOUT_STATES,
            to_revision__version__adapter=adapter,
        ).exclude(strategy=ROLLBACK)
        candidate = rolling.first()
        if candidate is not None:
            return rollouts.abort(rollout=candidate, reason=reason, **self._acting.by)
        return rollbacks.start(deployment=row, reason=reason, trigger=trigger, **self._acting.by)


def _route_changed(pk: int) -> Rollout | None:
    row = Rollout.objects.get(pk=pk)
    if row.state in {RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK}:
        raise AdapterNotLoaded(
            f"The earlier version could not be brought back: {row.reason}",
            fix="Stop the digest: it is withdrawn everywhere within seconds.",
        )
    return row if row.state in _ROUTE_CHANGED else None
