"""Writes what happens to a rollout: its state and its steps, each with its audit event."""

from collections.abc import Mapping
from typing import Any

from compliance.services import audit, epochs
from config.core import clock
from config.core.actors import Actor
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.states import check_move, move
from serving.events import RolloutMoved
from serving.models import Deployment, Rollout, RolloutStep
from serving.services import nudges
from serving.states import (
    ROLLOUT_MOVES,
    STEP_MOVES,
    PauseKind,
    RolloutState,
    StepState,
    Trigger,
)

TROUBLE_SINCE = "trouble_since"
"""Key of a step's parameters: since when nothing that it needs was there."""


def record(
    rollout: Rollout,
    action: str,
    actor: Actor,
    *,
    diff: Mapping[str, list[Any]],
    reason: str = "",
) -> None:
    """The audit event and the news, in the caller's transaction."""
    audit.record(
        action=action,
        actor=actor,
        object_type="rollout",
        object_id=str(rollout.uuid),
        object_rev=rollout.to_revision.digest,
        diff=diff,
        reason=reason[:1000],
    )
    publish(
        RolloutMoved(
            actor=actor,
            object_type="rollout",
            object_id=str(rollout.uuid),
            rollout_id=rollout.pk,
            what=action,
        )
    )


def move_rollout(
    rollout: Rollout,
    to: RolloutState,
    *,
    action: str,
    actor: Actor,
    why: str = "",
    diff: Mapping[str, list[Any]] | None = None,
    **values: Any,
) -> None:
    """Move a rollout by compare-and-set; the route is read again and its next step looked at.

    A move to the state that it has only writes ``values``.
    """
    before = str(rollout.state)
    old = {name: getattr(rollout, name) for name in values}
    if before == to:
        Rollout.objects.filter(pk=rollout.pk).update(**values)
        for name, value in values.items():
            setattr(rollout, name, value)
    else:
        move(rollout, table=ROLLOUT_MOVES, to=to, **values)
    changed = {
        name: [_plain(old[name]), _plain(value)]
        for name, value in values.items()
        if name in {"weight_percent", "trigger"} and old[name] != value
    }
    record(
        rollout,
        action,
        actor,
        diff={"state": [before, str(to)], **changed, **(diff or {})},
        reason=why,
    )
    epochs.bump_routing()
    nudges.advance_on_commit(rollout.pk)


def lock_rollout(rollout: Rollout) -> Rollout:
    """The rollout as it is now, under the one lock of its deployment, in the caller's transaction.

    Whoever moves a rollout or a deployment takes this lock first, so of two acts at the same
    moment the second sees what the first has left.
    """
    Deployment.objects.select_for_update(no_key=True).get(pk=rollout.deployment_id)
    return (
        Rollout.objects.select_for_update(of=("self",), no_key=True)
        .select_related("deployment__adapter", "to_revision__version__adapter", "from_revision")
        .get(pk=rollout.pk)
    )


def pause_rollout(rollout: Rollout, *, kind: PauseKind, reason: str, actor: Actor) -> None:
    """Hold a rollout where it is; its weight stays, nothing is decided.

    Raises:
        Conflict: it is not running; one that is paused is not paused again.
    """
    check_move(ROLLOUT_MOVES, RolloutState(rollout.state), RolloutState.PAUSED)
    move_rollout(
        rollout,
        RolloutState.PAUSED,
        action="rollout.paused",
        actor=actor,
        why=reason,
        diff={"held_by": ["", str(kind)]},
        paused_reason=reason[:1000],
        paused_kind=kind,
        paused_at=clock.now(),
    )


def begin_rollback(*, rollout: Rollout, trigger: Trigger, reason: str, actor: Actor) -> None:
    """Take the route back and mark the rollout, in the caller's transaction.

    Steps are undone and bytes unloaded later.

    Raises:
        Conflict: it has ended.
    """
    move_rollout(
        rollout,
        RolloutState.ROLLING_BACK,
        action="rollout.rolling_back",
        actor=actor,
        why=reason,
        weight_percent=0,
        trigger=trigger,
        reason=reason[:1000],
    )
    failpoint("rollout.rollback.begun")


def move_step(
    rollout: Rollout, step: RolloutStep, to: StepState, *, actor: Actor, detail: str = ""
) -> None:
    """Move a step by compare-and-set."""
    before = str(step.state)
    values: dict[str, Any] = {"detail": detail[:1000] or step.detail}
    if to is StepState.RUNNING:
        values["started_at"] = clock.now()
    else:
        values["finished_at"] = clock.now()
    move(step, table=STEP_MOVES, to=to, **values)
    record(
        rollout,
        "rollout.step",
        actor,
        diff={"step": [step.index, str(step.kind)], "state": [before, str(to)]},
        reason=detail,
    )


def restart_step(step: RolloutStep) -> None:
    """Count a step's time from now on; what stood in its way is forgotten."""
    step.started_at = clock.now()
    step.params = {key: val for key, val in step.params.items() if key != TROUBLE_SINCE}
    step.save(update_fields=["started_at", "params"])


def note(step: RolloutStep, detail: str) -> bool:
    """Keep what a step waits for; whether that is news."""
    if step.detail == detail[:1000]:
        return False
    step.detail = detail[:1000]
    RolloutStep.objects.filter(pk=step.pk).update(detail=step.detail)
    return True


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)
