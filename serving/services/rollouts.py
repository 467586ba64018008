"""Starts rollouts, pauses, resumes and aborts them; advancing is ``advance``."""

from django.db import transaction

from compliance.services import approvals
from config.accounts.models import User
from config.core import clock
from config.core.actors import Actor
from config.core.errors import DomainError, Invalid
from registry.models import Version
from serving.errors import NoSlotForRollout, RolloutInvalid
from serving.models import Deployment, Rollout
from serving.selectors.deployments import live_slots_left
from serving.services.advancing import advance
from serving.services.rollout_opening import open_rollout, refused
from serving.services.rollout_records import move_rollout
from serving.states import RolloutState, StepKind, StepState, Trigger
from serving.strategies import CHOSEN_BY_PEOPLE

__all__ = ["abort", "advance", "pause", "resume", "start"]


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
        NotPermitted: the version is not approved, or stopped; the attempt is in the trail.
        RolloutInvalid: another adapter's version, an unknown strategy, or what is live already.
        RolloutOpen: another rollout is under way.
        NoSlotForRollout: the nodes have no slot for another live version.
    """
    try:
        if version is None:
            strategy = "base"
        _check(deployment, version, strategy, reason)
        if version is not None:
            approvals.require(version=version)
    except DomainError as error:
        refused(deployment, actor, error)
        raise
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
        Invalid: there is no reason.
        Conflict: it is not running.
    """
    _needs_reason(reason)
    with transaction.atomic():
        row = _locked(rollout)
        move_rollout(
            row,
            RolloutState.PAUSED,
            action="rollout.paused",
            actor=actor,
            why=reason,
            paused_reason=reason[:1000],
        )
    return row


def resume(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """Let a paused rollout go on; its step is tried again with the evidence that there is.

    Raises:
        Invalid: there is no reason.
        Conflict: it is not paused.
    """
    _needs_reason(reason)
    with transaction.atomic():
        row = _locked(rollout)
        _try_again(row)
        move_rollout(
            row,
            RolloutState.RUNNING,
            action="rollout.resumed",
            actor=actor,
            why=reason,
            paused_reason="",
        )
    return row


def abort(*, rollout: Rollout, reason: str, user: User, actor: Actor) -> Rollout:
    """End a rollout before its promotion: the route goes back to stable at once.

    Raises:
        Invalid: there is no reason.
        Conflict: it has ended.
    """
    _needs_reason(reason)
    with transaction.atomic():
        row = _locked(rollout)
        move_rollout(
            row,
            RolloutState.ABORTING,
            action="rollout.aborting",
            actor=actor,
            why=reason,
            weight_percent=0,
            trigger=Trigger.MANUAL,
            reason=reason[:1000],
        )
    return row


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
    if version.adapter_id != deployment.adapter_id:
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


def _locked(rollout: Rollout) -> Rollout:
    return Rollout.objects.select_for_update(no_key=True).get(pk=rollout.pk)


def _try_again(row: Rollout) -> None:
    """The step begins anew; an undecided analysis may take as long again as the policy says."""
    step = row.steps.filter(state=StepState.RUNNING).order_by("index").first()
    if step is None:
        return
    step.started_at = clock.now()
    if step.kind == StepKind.ANALYSE and step.detail == row.paused_reason:
        step.params = {**step.params, "extensions": int(step.params.get("extensions", 0)) + 1}
    step.save(update_fields=["started_at", "params"])


def _needs_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
