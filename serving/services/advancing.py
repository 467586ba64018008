"""Moves a rollout on, at most one step a call; calling it again does nothing twice."""

from django.db import transaction

from config.core import clock
from config.core.actors import SYSTEM
from config.core.failpoints import failpoint
from serving.models import Deployment, Rollout, RolloutStep
from serving.selectors.deployments import fault_of
from serving.services import nudges, step_kinds
from serving.services.rollout_records import (
    begin_rollback,
    move_rollout,
    move_step,
    note,
    pause_rollout,
)
from serving.services.step_kinds import Result
from serving.states import ADVANCING_ROLLOUT_STATES, RolloutState, StepKind, StepState, Trigger

_UNFINISHED = (StepState.WAITING, StepState.RUNNING)
_STEPS_AT_MOST = 20
_TO_UNDO = (StepState.DONE, StepState.RUNNING, StepState.FAILED)


def advance(*, rollout_id: int) -> bool:
    """Look at a rollout and do what is next; whether something changed.

    The deployment's row is the lock: of several callers each finds what the one before has left.
    """
    deployment_id = Rollout.objects.values_list("deployment_id", flat=True).get(pk=rollout_id)
    with transaction.atomic():
        # Not the stronger FOR UPDATE: answers refer to these rows and are written all the time.
        Deployment.objects.select_for_update(no_key=True).get(pk=deployment_id)
        rollout = (
            Rollout.objects.select_for_update(of=("self",), no_key=True)
            .select_related(
                "deployment__base_model",
                "deployment__adapter",
                "from_revision__version__adapter__base_model",
                "to_revision__version__adapter__base_model",
                "to_revision__deployment",
                "started_by",
            )
            .get(pk=rollout_id)
        )
        changed = _advance(rollout)
        if changed:
            nudges.advance_on_commit(rollout.pk)
            failpoint("rollout.step.recorded")
    if changed:
        failpoint("rollout.step.committed")
    return changed


def go_on(rollout: Rollout) -> Rollout:
    """Advance a rollout as far as it goes now, and read it anew."""
    for _ in range(_STEPS_AT_MOST):
        if not advance(rollout_id=rollout.pk):
            break
    rollout.refresh_from_db()
    return rollout


def _advance(rollout: Rollout) -> bool:
    state = RolloutState(rollout.state)
    if state in {RolloutState.ROLLING_BACK, RolloutState.ABORTING}:
        return _undo_one(rollout)
    if state is RolloutState.PROMOTED:
        return _put_away(rollout)
    if state not in ADVANCING_ROLLOUT_STATES:
        return False
    fault = fault_of(rollout.to_revision)
    if fault:
        trigger = Trigger.STOPPED if "stopped" in fault else Trigger.VALIDATION_FAILED
        begin_rollback(
            rollout=rollout, trigger=trigger, reason=f"It may not be served: {fault}", actor=SYSTEM
        )
        return True
    if state is RolloutState.PAUSED:
        return False
    step = rollout.steps.filter(state__in=_UNFINISHED).order_by("index").first()
    return False if step is None else _run(rollout, step)


def _run(rollout: Rollout, step: RolloutStep) -> bool:
    is_new = step.state == StepState.WAITING
    if is_new:
        move_step(rollout, step, StepState.RUNNING, actor=SYSTEM)
        failpoint("rollout.step.started")
    result = step_kinds.run(rollout, step)
    if result.kind is Result.Kind.WAIT:
        return note(step, result.detail) or is_new
    failpoint("rollout.step.before_result")
    if result.kind is Result.Kind.DONE:
        move_step(rollout, step, StepState.DONE, actor=SYSTEM, detail=result.detail)
    elif result.kind is Result.Kind.PAUSE:
        note(step, result.detail)
        pause_rollout(rollout, kind=result.pause_kind, reason=result.detail, actor=SYSTEM)
    else:
        move_step(rollout, step, StepState.FAILED, actor=SYSTEM, detail=result.detail)
        begin_rollback(
            rollout=rollout,
            trigger=result.trigger or Trigger.SYSTEM_ERROR,
            reason=result.detail,
            actor=SYSTEM,
        )
    return True


def _undo_one(rollout: Rollout) -> bool:
    """Undo the last step that is not undone yet; after the first one the rollout has ended."""
    step = rollout.steps.filter(state__in=_TO_UNDO).order_by("-index").first()
    if step is not None:
        move_step(rollout, step, StepState.UNDONE, actor=SYSTEM, detail=step_kinds.undo(step))
        failpoint("rollout.step.undone")
        return True
    for waiting in rollout.steps.filter(state=StepState.WAITING).order_by("index"):
        move_step(rollout, waiting, StepState.SKIPPED, actor=SYSTEM)
    is_rollback = rollout.state == RolloutState.ROLLING_BACK
    move_rollout(
        rollout,
        RolloutState.ROLLED_BACK if is_rollback else RolloutState.ABORTED,
        action="rollout.rolled_back" if is_rollback else "rollout.aborted",
        actor=SYSTEM,
        why=rollout.reason,
        finished_at=clock.now(),
    )
    nudges.reconcile_on_commit()
    return True


def _put_away(rollout: Rollout) -> bool:
    """After the promotion: what happens to the former version's replicas."""
    step = (
        rollout.steps.filter(kind=StepKind.UNLOAD, state__in=_UNFINISHED).order_by("index").first()
    )
    return False if step is None else _run(rollout, step)
