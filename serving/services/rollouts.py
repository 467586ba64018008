"""Starts rollouts, pauses, resumes, promotes and aborts them; advancing is ``advance``."""

from django.db import transaction

from compliance.services import approvals, restores
from config.accounts.models import User
from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.errors import Conflict, Invalid
from config.core.states import check_move
from registry.models import Version
from serving.errors import AbortTooLate, NoSlotForRollout, PromotionRefused, RolloutInvalid
from serving.models import Deployment, Rollout, RolloutStep
from serving.selectors.deployments import live_slots_left, may_promote_undecided
from serving.services import analysing, rights
from serving.services.advancing import advance, go_on
from serving.services.rollout_opening import open_rollout, refusals_recorded
from serving.services.rollout_records import (
    lock_rollout,
    move_rollout,
    move_step,
    pause_rollout,
    restart_step,
)
from serving.states import (
    ADVANCING_ROLLOUT_STATES,
    ROLLOUT_MOVES,
    Opening,
    PauseKind,
    RolloutState,
    StepKind,
    StepState,
    Trigger,
)
from serving.strategies import CHOSEN_BY_PEOPLE

__all__ = ["abort", "advance", "pause", "promote", "resume", "start"]

_UNFINISHED = (StepState.WAITING, StepState.RUNNING)


def start(
    *,
    deployment: Deployment,
    version: Version | None,
    user: User,
    actor: Actor,
    strategy: str = "canary",
    reason: str = "",
) -> Rollout:
    """Begin to move a deployment to a version (None: to the base itself, with a reason).

    Raises:
        Forbidden: no role of the account may deploy.
        NotPermitted: the version is not approved, or stopped; the attempt is in the trail.
        RestoreHeld: the database was restored, and serving is held.
        RolloutInvalid: another adapter's version, an unknown strategy, or what is live already.
        RolloutOpen: another rollout is under way.
        NoSlotForRollout: the nodes have no slot for another live version.
    """
    with refusals_recorded("rollout.refused", deployment, actor):
        rights.require(user=user, act=Act.DEPLOY)
        restores.require_resumed()
        if version is None:
            strategy = "base"
        _check(deployment, version, strategy, reason)
        if version is not None:
            approvals.require(version=version)
        return open_rollout(
            deployment=deployment,
            version=version,
            user=user,
            actor=actor,
            strategy=strategy,
            reason=reason,
        )


def pause(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """Hold a rollout where it is; its weight stays, nothing is decided.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        Conflict: it is not running.
    """
    with refusals_recorded("rollout.pause_refused", rollout, actor):
        rights.require(user=user, act=Act.DEPLOY)
        _needs_reason(reason)
        with transaction.atomic():
            row = lock_rollout(rollout)
            pause_rollout(row, kind=PauseKind.PERSON, reason=reason, actor=actor)
    return row


def resume(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """Let a paused rollout go on; its step is tried again with the evidence that there is.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        Conflict: it is not paused.
    """
    with refusals_recorded("rollout.resume_refused", rollout, actor):
        rights.require(user=user, act=Act.DEPLOY)
        _needs_reason(reason)
        with transaction.atomic():
            row = lock_rollout(rollout)
            step = _step_under_way(row)
            # One that runs, because somebody else was faster, is not let go again.
            check_move(ROLLOUT_MOVES, RolloutState(row.state), RolloutState.RUNNING)
            if step is not None:
                if step.kind == StepKind.ANALYSE:
                    analysing.grant(row, step)
                restart_step(step)
            _let_go(row, "rollout.resumed", actor, reason)
    return row


def promote(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """Promote what the analysis could not decide; approval, stops and proof are asked as ever.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        PromotionRefused: it is not paused as inconclusive, or the policy leaves it to the evidence.
    """
    with refusals_recorded("rollout.promotion_refused", rollout, actor):
        rights.require(user=user, act=Act.DEPLOY)
        _needs_reason(reason)
        with transaction.atomic():
            row = lock_rollout(rollout)
            _may_promote(row)
            left = row.steps.filter(
                state__in=_UNFINISHED, kind__in=[StepKind.SET_WEIGHT, StepKind.ANALYSE]
            )
            for step in left.order_by("index"):
                said = "A person promoted it undecided."
                move_step(row, step, StepState.SKIPPED, actor=actor, detail=said)
            _let_go(row, "rollout.promoting", actor, reason)
    return go_on(row)


def abort(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """End a rollout before its promotion: the route goes back to stable at once.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        AbortTooLate: it is promoted; a rollback applies.
        Conflict: it has ended, or is ending.
    """
    with refusals_recorded("rollout.abort_refused", rollout, actor):
        rights.require(user=user, act=Act.DEPLOY)
        _needs_reason(reason)
        with transaction.atomic():
            row = lock_rollout(rollout)
            _may_abort(row)
            move_rollout(
                row,
                RolloutState.ABORTING,
                action="rollout.aborting",
                actor=actor,
                why=reason,
                weight_percent=0,
                trigger=Trigger.MANUAL,
                reason=reason[:1000],
                paused_kind=PauseKind.NONE,
            )
    return row


def _may_abort(row: Rollout) -> None:
    if row.state == RolloutState.PROMOTED:
        name = row.deployment.public_name
        raise AbortTooLate(
            "This rollout was promoted: nothing is left to abort.",
            fix=f"Roll the deployment back: POST /api/v1/deployments/{name}/rollback.",
        )
    if row.state not in ADVANCING_ROLLOUT_STATES:
        raise Conflict(
            f"This rollout is {row.state.replace('_', ' ')}; it can't be aborted.",
            fix="Nothing of it is routed any more.",
        )


def _may_promote(row: Rollout) -> None:
    step = _step_under_way(row)
    is_undecided = (
        row.state == RolloutState.PAUSED
        and row.paused_kind == PauseKind.INCONCLUSIVE
        and step is not None
        and step.kind == StepKind.ANALYSE
    )
    if not is_undecided:
        raise PromotionRefused(
            "A person promotes only what is paused as inconclusive; "
            f"this rollout is {row.state.replace('_', ' ')}.",
            fix="Let the analysis decide, or abort.",
        )
    if not may_promote_undecided(row.deployment):
        raise PromotionRefused(
            f"The policy of {row.deployment.public_name} leaves promotion to the evidence.",
            fix="Resume for more evidence, or abort.",
        )


def _let_go(row: Rollout, action: str, actor: Actor, reason: str) -> None:
    move_rollout(
        row,
        RolloutState.RUNNING,
        action=action,
        actor=actor,
        why=reason,
        paused_reason="",
        paused_kind=PauseKind.NONE,
        paused_at=None,
    )


def _step_under_way(row: Rollout) -> RolloutStep | None:
    return row.steps.filter(state=StepState.RUNNING).order_by("index").first()


def _check(deployment: Deployment, version: Version | None, strategy: str, reason: str) -> None:
    if version is None:
        if deployment.adapter_id is not None:
            raise RolloutInvalid(
                f"{deployment.public_name} serves an adapter; name the version.",
                fix="The base has a deployment of its own where it is wanted.",
            )
        _needs_reason(reason)
        return
    if strategy not in CHOSEN_BY_PEOPLE:
        raise RolloutInvalid(
            f"There is no strategy {strategy[:40]!r}.", fix=f"Use {' or '.join(CHOSEN_BY_PEOPLE)}."
        )
    if version.adapter_id != deployment.adapter_id and not _may_change_adapter(deployment, version):
        served = deployment.adapter.ref if deployment.adapter else "the base itself"
        raise RolloutInvalid(
            f"{version.runtime_name} is no version of what {deployment.public_name} serves "
            f"({served}).",
            fix="Choose a version of that adapter.",
        )
    stable = deployment.stable_revision
    if stable is not None and stable.digest == version.digest:
        raise RolloutInvalid(
            f"{version.runtime_name} is what {deployment.public_name} serves already.",
            fix="Nothing is left to do.",
        )
    if stable is None:
        left = live_slots_left(deployment.base_model)
        if left is not None and left < 1:
            raise NoSlotForRollout(
                "Every slot but the one that stays free for rollouts is taken by live versions.",
                fix="Start the nodes with more slots, or retire a deployment.",
            )


def _may_change_adapter(deployment: Deployment, version: Version) -> bool:
    """Whether a name that a program registered may go over to a version of another adapter.

    Of the same base and safety class, so that it is judged by the same rules. What people of the
    house deployed stands for one adapter.
    """
    now, new = deployment.adapter, version.adapter
    return (
        deployment.opened_as == Opening.REGISTRATION
        and now is not None
        and new.base_model_id == deployment.base_model_id
        and new.safety_class == now.safety_class
    )


def _needs_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
