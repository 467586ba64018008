"""Swaps: rollouts, asked for and told of in the medical system's words."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from compliance.errors import NotPermitted
from compliance.selectors.evaluations import comparison
from config.accounts.roles import Act
from config.core import clock
from registry.models import BaseModel
from serving.errors import RolloutNotFound
from serving.lifecycle import lookups
from serving.lifecycle.acting import Acting, in_thread
from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.enums import SwapStatus, SwapStrategy
from serving.lifecycle.errors import LifecycleBusy
from serving.models import Rollout, RolloutStep
from serving.selectors.evidence import stage_counts
from serving.selectors.rollouts import current_step, progress_of, rollout_by_uuid
from serving.selectors.wanted import previous_revision
from serving.services import rollouts
from serving.states import (
    ADVANCING_ROLLOUT_STATES,
    OPEN_ROLLOUT_STATES,
    RolloutState,
    StepKind,
    StepState,
)

log = structlog.get_logger("adapters.hot_swap")
_ENDED: Mapping[str, SwapStatus] = {
    RolloutState.PROMOTED: SwapStatus.COMPLETED,
    RolloutState.ROLLED_BACK: SwapStatus.ROLLED_BACK,
    RolloutState.ROLLING_BACK: SwapStatus.FAILED,
    RolloutState.ABORTED: SwapStatus.CANCELLED,
    RolloutState.ABORTING: SwapStatus.CANCELLED,
}
_AT_STEP: Mapping[str, SwapStatus] = {
    StepKind.LOAD: SwapStatus.LOADING,
    StepKind.EVALUATE: SwapStatus.VALIDATING,
    StepKind.SET_WEIGHT: SwapStatus.TESTING,
    StepKind.ANALYSE: SwapStatus.TESTING,
    StepKind.SHADOW: SwapStatus.TESTING,
    StepKind.PAUSE: SwapStatus.TESTING,
    StepKind.PROMOTE: SwapStatus.SWITCHING,
}


class HotSwap:
    """``lifecycle.hot_swap``."""

    def __init__(self, acting: Acting, base: BaseModel, config: SystemConfiguration) -> None:
        self._acting, self._base, self._config = acting, base, config
        # Of two swaps that this manager is asked for at once the second counts the first.
        self._starting = asyncio.Lock()

    async def start(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        strategy: SwapStrategy,
        *,
        deployment: str | None,
        reason: str,
    ) -> str:
        """See ``LifecycleManager.hot_swap_adapters``."""
        async with self._starting:
            uuid = await in_thread(self._start, source, target, strategy, deployment, reason)
        log.debug("lifecycle.swap_started", rollout=uuid)
        return uuid

    async def get_operation_status(self, swap_id: str) -> dict[str, Any]:
        """How far a swap or a rollback is; numbers come from its steps and its answers.

        Raises:
            RolloutNotFound: there is no such operation.
        """
        return await in_thread(self._status, swap_id)

    def _start(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        strategy: SwapStrategy,
        deployment: str | None,
        reason: str,
    ) -> str:
        self._acting.require(Act.DEPLOY)
        old = lookups.version_of(lookups.adapter_by_id(source[0], self._base), source[1])
        new = lookups.version_of(lookups.adapter_by_id(target[0], self._base), target[1])
        row = lookups.deployment_with(old, name=deployment)
        under_way = Rollout.objects.filter(
            deployment__base_model=self._base, state__in=OPEN_ROLLOUT_STATES
        ).count()
        if under_way >= self._config.max_concurrent_swaps:
            raise LifecycleBusy(
                f"max_concurrent_swaps={self._config.max_concurrent_swaps}: {under_way} are under "
                f"way on {self._base.slug}.",
                fix="Wait for the end of one, or abort it.",
            )
        try:
            made = rollouts.start(
                deployment=row,
                version=new,
                strategy=str(strategy),
                reason=reason,
                **self._acting.by,
            )
        except NotPermitted as error:
            raise lookups.with_blockers(new, error) from error
        return str(made.uuid)

    def _status(self, swap_id: str) -> dict[str, Any]:
        self._acting.require(Act.READ)
        try:
            uuid = UUID(str(swap_id))
        except ValueError as error:
            raise RolloutNotFound(
                "This is no id of a swap.", fix="Give what hot_swap_adapters returned."
            ) from error
        return status_of(rollout_by_uuid(uuid))


def status_of(row: Rollout) -> dict[str, Any]:
    """A rollout under the keys of the medical system."""
    steps, now = list(row.steps.all()), current_step(row)
    ended = row.finished_at
    duration = (ended or clock.now()) - row.started_at
    is_over = row.state not in ADVANCING_ROLLOUT_STATES
    evaluated = next((step for step in steps if step.kind == StepKind.EVALUATE), None)
    return {
        "operation_id": str(row.uuid),
        "from_adapter": lookups.name_of(row.from_revision.version if row.from_revision else None),
        "to_adapter": lookups.name_of(row.to_revision.version),
        "strategy": row.strategy,
        "status": str(_status(row, now)),
        "created_at": row.started_at.isoformat(),
        "started_at": _began(steps),
        "completed_at": ended.isoformat() if ended is not None else None,
        "duration_seconds": round(duration.total_seconds(), 3),
        "steps": [_step(step) for step in steps],
        "current_step": str(now.kind) if now is not None and not is_over else None,
        "progress_percentage": float(progress_of(row)),
        "error_message": row.paused_reason if not is_over else _failure(row),
        "can_rollback": _can_rollback(row),
        "rollback_reason": row.reason if row.trigger else None,
        "validation_passed": _passed(evaluated),
        "test_results": _compared(row),
        "health_metrics": [_side(counts) for counts in stage_counts(row)],
    }


def _status(row: Rollout, now: RolloutStep | None) -> SwapStatus:
    if row.state in _ENDED:
        return _ENDED[row.state]
    if now is None or (now.state == StepState.WAITING and now.index == 0):
        return SwapStatus.PENDING
    return _AT_STEP.get(now.kind, SwapStatus.SWITCHING)


def _began(steps: list[RolloutStep]) -> str | None:
    times = [step.started_at for step in steps if step.started_at is not None]
    return min(times).isoformat() if times else None


def _step(step: RolloutStep) -> dict[str, Any]:
    return {"name": str(step.kind), "state": str(step.state), "detail": step.detail}


def _failure(row: Rollout) -> str | None:
    return row.reason if row.state != RolloutState.PROMOTED else None


def _can_rollback(row: Rollout) -> bool:
    if row.state in ADVANCING_ROLLOUT_STATES:
        return True
    deployment = row.deployment
    is_stable = deployment.stable_revision_id == row.to_revision_id
    return (
        row.state == RolloutState.PROMOTED
        and is_stable
        and previous_revision(deployment) is not None
    )


def _passed(step: RolloutStep | None) -> bool | None:
    if step is None or step.state in {StepState.WAITING, StepState.RUNNING, StepState.SKIPPED}:
        return None
    return step.state != StepState.FAILED


def _compared(row: Rollout) -> dict[str, Any] | None:
    old = row.from_revision.version if row.from_revision is not None else None
    new = row.to_revision.version
    found = comparison(new, old) if old is not None and new is not None else None
    if found is None:
        return None
    return {
        "items": found.n,
        "newly_right": found.b,
        "newly_wrong": found.c,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
    }


def _side(counts: Any) -> dict[str, Any]:
    return {
        "stage": counts.stage,
        "weight_percent": counts.weight_percent,
        "answers": counts.canary.answers,
        "failures": counts.canary.failures,
        "reported": counts.canary.reported,
        "stable_answers": counts.stable.answers,
        "stable_failures": counts.stable.failures,
        "stable_reported": counts.stable.reported,
    }
