"""Goes back: out of a rollout, or from the stable version to an earlier one. Route first."""

from datetime import timedelta

from django.db import transaction

from compliance.models import Stop
from compliance.selectors.stops import open_stops
from config.accounts.models import User
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.errors import Conflict, Invalid
from serving.errors import NothingToRollBackTo, RolloutOpen
from serving.models import Deployment, Rollout
from serving.selectors.deployments import policy_of
from serving.selectors.rollouts import open_rollout
from serving.selectors.wanted import previous_revision
from serving.services import rollout_opening
from serving.services.advancing import advance
from serving.services.rollout_records import begin_rollback
from serving.states import RolloutState, Trigger

TRY_AGAIN_AFTER = timedelta(seconds=60)
_MAX_STEPS = 20
_TAKEN_BACK = (RolloutState.RUNNING, RolloutState.PAUSED)


def start(
    *,
    reason: str,
    actor: Actor,
    trigger: Trigger = Trigger.MANUAL,
    rollout: Rollout | None = None,
    deployment: Deployment | None = None,
    user: User | None = None,
) -> Rollout:
    """Take a rollout back, or (``deployment``) bring its previous revision back.

    Of a deployment the rollout under way is taken back first. Without one, a rollout of the
    strategy ``rollback`` is opened and run as far as it goes now: where the earlier version is
    still loaded, the route has changed when this returns.

    Raises:
        Invalid: there is no reason.
        Conflict: the rollout has ended.
        NothingToRollBackTo: no earlier revision is approved, permitted and not stopped.
    """
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
    if rollout is None and deployment is not None:
        rollout = open_rollout(deployment)
    if rollout is not None:
        return _take_back(rollout, trigger=trigger, reason=reason, actor=actor)
    if deployment is None:
        raise ValueError("a rollback needs a rollout or a deployment")
    return _to_previous(deployment, trigger=trigger, reason=reason, actor=actor, user=user)


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
    if rolling is not None and rolling.strategy == "rollback":
        return False
    tried = Rollout.objects.filter(
        deployment=deployment,
        strategy="rollback",
        state=RolloutState.ROLLED_BACK,
        finished_at__gte=clock.now() - TRY_AGAIN_AFTER,
    )
    if tried.exists():
        return False
    start(
        deployment=deployment,
        trigger=Trigger.STOPPED,
        reason=f"The version in use was stopped: {stop.reason}",
        actor=SYSTEM,
        user=stop.issued_by or deployment.created_by,
    )
    return True


def _take_back(rollout: Rollout, *, trigger: Trigger, reason: str, actor: Actor) -> Rollout:
    with transaction.atomic():
        locked = Rollout.objects.select_for_update(no_key=True).get(pk=rollout.pk)
        if locked.state not in _TAKEN_BACK:
            raise Conflict(
                f"The rollout is {locked.state.replace('_', ' ')}; it can't be taken back.",
                fix="Roll the deployment back: POST /api/v1/deployments/{name}/rollback.",
            )
        begin_rollback(rollout=locked, trigger=trigger, reason=reason, actor=actor)
    return _go_on(locked)


def _to_previous(
    deployment: Deployment, *, trigger: Trigger, reason: str, actor: Actor, user: User | None
) -> Rollout:
    previous = previous_revision(deployment)
    if previous is None:
        error = NothingToRollBackTo(
            f"{deployment.public_name} has no earlier version that is approved, permitted and not "
            "stopped.",
            fix="Roll out another approved version, or stop the digest.",
        )
        rollout_opening.refused(deployment, actor, error)
        raise error
    rollout = rollout_opening.open_rollout(
        deployment=deployment,
        version=previous.version,
        user=user or deployment.created_by,
        actor=actor,
        strategy="rollback",
        reason=reason,
        trigger=str(trigger),
    )
    return _go_on(rollout)


def _go_on(rollout: Rollout) -> Rollout:
    for _ in range(_MAX_STEPS):
        if not advance(rollout_id=rollout.pk):
            break
    rollout.refresh_from_db()
    return rollout
