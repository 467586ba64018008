"""Goes back from the stable version to an earlier one: route first, unload later."""

from datetime import timedelta

from django.db import transaction

from compliance.models import Stop
from compliance.selectors.stops import open_stops
from config.accounts.models import User
from config.accounts.roles import Act
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.errors import Conflict, Invalid
from registry.models import Version
from serving.errors import AbortApplies, NothingToRollBackTo, RolloutOpen
from serving.models import Deployment, Revision, Rollout
from serving.selectors.deployments import policy_of, revision_name
from serving.selectors.fallbacks import earlier_revision
from serving.selectors.rollouts import open_rollout
from serving.selectors.wanted import previous_revision
from serving.services import rights, rollout_opening
from serving.services.advancing import go_on
from serving.services.rollout_records import begin_rollback, lock_rollout
from serving.states import ADVANCING_ROLLOUT_STATES, ROLLBACK, RolloutState, Trigger

TRY_AGAIN_AFTER = timedelta(seconds=60)


def start(
    *,
    deployment: Deployment,
    reason: str,
    user: User,
    actor: Actor,
    to: Version | None = None,
    leaving: Version | None = None,
    trigger: Trigger = Trigger.MANUAL,
) -> Rollout:
    """Bring a deployment's previous version back, or one that is named.

    A rollout of the strategy ``rollback`` is opened and run as far as it goes now: where the
    earlier version is still loaded, the route has changed when this returns. ``leaving``: the
    version that the caller wants to be rid of; a second person who wants the same finds it gone.

    Raises:
        Forbidden: no role of the account may deploy.
        Invalid: there is no reason.
        AbortApplies: a rollout is under way that is not promoted.
        RolloutOpen: a rollback is under way, or an end.
        RollbackInvalid: ``to`` is none of the deployment's earlier versions.
        NothingToRollBackTo: no earlier version is approved, permitted and not stopped.
        Conflict: the version in use is not ``leaving``, or has changed meanwhile.
    """
    with rollout_opening.refusals_recorded("rollback.refused", deployment, actor):
        rights.require(user=user, act=Act.DEPLOY)
        if not reason.strip():
            raise Invalid("A reason is needed.", fix="Say in a line why.")
        _nothing_under_way(deployment)
        stable = deployment.stable_revision
        if leaving is not None and (stable is None or stable.digest != leaving.digest):
            now = revision_name(deployment, stable) or "nothing"
            raise Conflict(
                f"{deployment.public_name} does not serve {leaving.runtime_name} now: {now} does.",
                fix="Look at it again; perhaps somebody else has rolled back already.",
            )
        target = _target(deployment) if to is None else earlier_revision(deployment, to)
        made = _open(deployment, target, trigger, reason=reason, user=user, actor=actor)
    return go_on(made)


def obey_stops() -> int:
    """Bring the previous version back where a stable one was stopped and the policy says so.

    Where there is nothing to go back to, the gateway goes on refusing. How many were begun.
    """
    stops = {stop.digest: stop for stop in open_stops().select_related("issued_by")}
    if not stops:
        return 0
    rows = Deployment.objects.filter(
        is_enabled=True,
        adapter__isnull=False,
        stable_revision__digest__in=list(stops),
    ).select_related("stable_revision", "created_by")
    count = 0
    for deployment in rows:
        if "previous" not in policy_of(deployment).fallbacks:
            continue
        assert deployment.stable_revision is not None, "filtered above"
        try:
            count += _obey(deployment, stops[deployment.stable_revision.digest])
        except (NothingToRollBackTo, RolloutOpen, Conflict):
            continue  # nothing to go back to, or somebody else is at it
    return count


def _obey(deployment: Deployment, stop: Stop) -> bool:
    rolling = open_rollout(deployment)
    if rolling is not None and rolling.strategy == ROLLBACK:
        return False
    tried = Rollout.objects.filter(
        deployment=deployment,
        strategy=ROLLBACK,
        state=RolloutState.ROLLED_BACK,
        finished_at__gte=clock.now() - TRY_AGAIN_AFTER,
    )
    if tried.exists():
        return False
    reason = f"The version in use was stopped: {stop.reason}"
    if rolling is not None:
        _take_back(rolling, reason)
        return True
    made = _open(
        deployment,
        _target(deployment),
        Trigger.STOPPED,
        reason=reason,
        user=stop.issued_by or deployment.created_by,
        actor=SYSTEM,
    )
    go_on(made)
    return True


def _nothing_under_way(deployment: Deployment) -> None:
    rolling = open_rollout(deployment)
    if rolling is None:
        return
    name = revision_name(deployment, rolling.to_revision)
    if rolling.strategy == ROLLBACK:
        raise RolloutOpen(
            f"A rollback of {deployment.public_name} to {name} is under way.",
            fix="Wait for its end, or abort it first.",
        )
    if rolling.state not in ADVANCING_ROLLOUT_STATES:
        raise RolloutOpen(
            f"The rollout of {name} in {deployment.public_name} is being taken back.",
            fix="Wait for its end, a matter of seconds.",
        )
    raise AbortApplies(
        f"The rollout of {name} in {deployment.public_name} is not promoted: "
        "there is nothing to roll back yet.",
        fix=f"Abort it: POST /api/v1/rollouts/{rolling.uuid}/abort.",
    )


def _target(deployment: Deployment) -> Revision:
    previous = previous_revision(deployment)
    if previous is None:
        raise NothingToRollBackTo(
            f"{deployment.public_name} has no earlier version that is approved, permitted and not "
            "stopped.",
            fix="Roll out another approved version, or stop the digest.",
        )
    return previous


def _open(
    deployment: Deployment,
    target: Revision,
    trigger: Trigger,
    *,
    reason: str,
    user: User,
    actor: Actor,
) -> Rollout:
    return rollout_opening.open_rollout(
        deployment=deployment,
        version=target.version,
        user=user,
        actor=actor,
        strategy=ROLLBACK,
        reason=reason,
        trigger=str(trigger),
        action="rollback.started",
    )


def _take_back(rollout: Rollout, reason: str) -> None:
    """Take a rollout under way out of the way of a fallback."""
    with transaction.atomic():
        locked = lock_rollout(rollout)
        if locked.state not in ADVANCING_ROLLOUT_STATES:
            return
        begin_rollback(rollout=locked, trigger=Trigger.STOPPED, reason=reason, actor=SYSTEM)
    go_on(locked)
