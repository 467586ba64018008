"""What each kind of step does, and how it is undone; no network, one look at the database."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from compliance.services import approvals
from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Forbidden
from config.core.failpoints import failpoint
from registry.selectors import live_version
from registry.services import aliases
from serving.domain.reconcile import DEFAULT_TIMING
from serving.models import Deployment, Replica, Rollout, RolloutStep
from serving.selectors.deployments import answering_on, proven_on, revision_name
from serving.selectors.wanted import nodes_for
from serving.services import analysing, comparing, nudges
from serving.services.rollout_records import TROUBLE_SINCE, move_rollout
from serving.services.step_results import Result, done, pause, roll_back, wait
from serving.states import (
    ROLLBACK,
    Opening,
    PauseKind,
    ReplicaState,
    RolloutState,
    StepKind,
    Trigger,
)

__all__ = ["Result", "run", "undo"]

GIVE_UP_AFTER = 3
LOAD_PATIENCE = timedelta(minutes=15)
NODE_PATIENCE = timedelta(minutes=2)
_PUT_AWAY_AFTER = timedelta(seconds=DEFAULT_TIMING.drain + 1)


def run(rollout: Rollout, step: RolloutStep) -> Result:
    """Do a step, or look whether it is done by now."""
    return _RUN[StepKind(step.kind)](rollout, step)


def undo(step: RolloutStep) -> str:
    """Undo a step; in words. The route itself was taken back when the rollback began."""
    return _UNDO.get(StepKind(step.kind), "Nothing was left to undo.")


def _load(rollout: Rollout, step: RolloutStep) -> Result:
    revision = rollout.to_revision
    version = revision.version
    if version is None:
        return done("The base is on every node.")
    base = rollout.deployment.base_model
    usable, fitting = nodes_for(base, version)
    if not usable:
        return _wait_to_load(step, f"No node with the base {base.slug} answers.")
    if not fitting:
        return roll_back(
            Trigger.VALIDATION_FAILED,
            "Its rank is larger than every node takes: start a node with a larger --max-rank.",
        )
    proven = {node.pk for node in proven_on(revision)}
    rows = Replica.objects.filter(version=version, node__in=fitting)
    given_up = {
        row.node_id: row.error
        for row in rows
        if row.state in {ReplicaState.FAILED, ReplicaState.WANTED, ReplicaState.LOADING}
        and row.failures_count >= GIVE_UP_AFTER
    }
    waiting = [n.name for n in fitting if n.pk not in proven and n.pk not in given_up]
    if waiting:
        said = f"It is loaded and proven on {len(proven)} of {len(fitting)} nodes"
        return _wait_to_load(step, f"{said}; {', '.join(waiting[:5])}: not yet.")
    if given_up and proven and step.params.get("is_everywhere"):
        names = [node.name for node in fitting if node.pk in given_up]
        return pause(
            f"It could not be loaded on {', '.join(names[:5])}: {next(iter(given_up.values()))} "
            "Everything goes to it at once, so every node has to take it: mend the node or switch "
            "it off, then resume."
        )
    if len(answering_on(revision)) < len(proven):
        return wait("The nodes are being told that they may serve it.")
    if proven:
        return done(f"Proven on {len(proven)} of {len(fitting)} nodes.")
    return roll_back(
        Trigger.HEALTH_FAILED, f"It could not be loaded: {next(iter(given_up.values()))}"
    )


def _set_weight(rollout: Rollout, step: RolloutStep) -> Result:
    stage, weight_percent = int(step.params["stage"]), int(step.params["weight_percent"])
    proven = proven_on(rollout.to_revision)
    if not proven:
        return _unproven(step)
    if weight_percent >= 100 and len(answering_on(rollout.to_revision)) < len(proven):
        return wait("The nodes are being told that they may serve it.")
    move_rollout(
        rollout,
        RolloutState.RUNNING,
        action="rollout.weight_set",
        actor=SYSTEM,
        diff={"stage": [rollout.stage, stage]},
        stage=stage,
        weight_percent=weight_percent,
    )
    failpoint("rollout.weight.set")
    return done(f"{weight_percent} % of the requests go to it.")


def _pause(rollout: Rollout, step: RolloutStep) -> Result:
    if step.params.get("is_passed"):
        return done("A person let it go on.")
    step.params = {**step.params, "is_passed": True}
    step.save(update_fields=["params"])
    why = str(step.params.get("why") or "A person decides whether it goes on.")
    return pause(why, PauseKind.STEP)


def _analyse(rollout: Rollout, step: RolloutStep) -> Result:
    """Judge; but nothing is promoted while no node could answer with it."""
    result = analysing.run(rollout, step)
    if result.kind is Result.Kind.ROLL_BACK or proven_on(rollout.to_revision):
        _forget_trouble(step)
        return result
    return _unproven(step)


def _wait_to_load(step: RolloutStep, said: str) -> Result:
    if step.started_at is not None and clock.now() - step.started_at > LOAD_PATIENCE:
        minutes = LOAD_PATIENCE.total_seconds() / 60
        return pause(f"{said} It has waited for {minutes:g} minutes: look at the nodes, resume.")
    return wait(said)


def _unproven(step: RolloutStep) -> Result:
    """Wait for a node that has proven it, then ask a person: nothing is guessed."""
    said = "No node has proven it at the moment."
    since = step.params.get(TROUBLE_SINCE)
    if since is None:
        step.params = {**step.params, TROUBLE_SINCE: clock.isoformat(clock.now())}
        step.save(update_fields=["params"])
    elif clock.now() - datetime.fromisoformat(since) > NODE_PATIENCE:
        minutes = NODE_PATIENCE.total_seconds() / 60
        return pause(f"{said} It has waited for {minutes:g} minutes: look at the nodes, resume.")
    return wait(said)


def _forget_trouble(step: RolloutStep) -> None:
    if TROUBLE_SINCE in step.params:
        step.params = {key: val for key, val in step.params.items() if key != TROUBLE_SINCE}
        step.save(update_fields=["params"])


def _promote(rollout: Rollout, step: RolloutStep) -> Result:
    deployment, revision = rollout.deployment, rollout.to_revision
    version = revision.version
    if not proven_on(revision):
        return _unproven(step)
    if version is not None and rollout.strategy != ROLLBACK:
        try:
            approvals.require(version=version)
        except Forbidden as error:
            return roll_back(Trigger.VALIDATION_FAILED, error.message)
    now = clock.now()
    # Of a registration the version may be another adapter's.
    adapter = {} if version is None else {"adapter": version.adapter}
    changed = Deployment.objects.filter(
        pk=deployment.pk, stable_revision=rollout.from_revision
    ).update(stable_revision=revision, stable_since=now, **adapter)
    if not changed:
        return roll_back(Trigger.SYSTEM_ERROR, "Another version became stable meanwhile.")
    if version is not None and deployment.opened_as == Opening.DEPLOYMENT:
        aliases.move(
            adapter=version.adapter,
            name="live",
            to=version,
            expected=live_version(version.adapter),
            actor=SYSTEM,
            reason=f"promoted in {deployment.public_name}",
            by_serving=True,
        )
    failpoint("rollout.promote.alias_moved")
    before = revision_name(deployment, rollout.from_revision)
    after = revision_name(deployment, revision)
    move_rollout(
        rollout,
        RolloutState.PROMOTED,
        action="rollback.finished" if rollout.strategy == ROLLBACK else "rollout.promoted",
        actor=SYSTEM,
        why=rollout.reason,
        diff={"stable": [before, after], "deployment": [None, deployment.public_name]},
        weight_percent=0,
        finished_at=now,
    )
    nudges.reconcile_on_commit()
    return done(f"{after} answers everyone.")


def _unload(rollout: Rollout, step: RolloutStep) -> Result:
    former = rollout.from_revision
    if former is None or former.version_id is None:
        return done("There was nothing to put away.")
    rows = Replica.objects.filter(version_id=former.version_id).exclude(state=ReplicaState.UNLOADED)
    if not rows.exists():
        return done("The former version is unloaded.")
    if rollout.finished_at and clock.now() - rollout.finished_at < _PUT_AWAY_AFTER:
        return wait("The former version is kept until no gateway routes to it.")
    if rows.filter(unwanted_at__isnull=True).exclude(state=ReplicaState.UNLOADING).exists():
        return done("The former version stays loaded for a fast rollback.")
    return wait("The former version is being unloaded.")


_RUN: Mapping[StepKind, Callable[[Rollout, RolloutStep], Result]] = {
    StepKind.LOAD: _load,
    StepKind.EVALUATE: comparing.run,
    StepKind.SET_WEIGHT: _set_weight,
    StepKind.ANALYSE: _analyse,
    StepKind.PAUSE: _pause,
    StepKind.PROMOTE: _promote,
    StepKind.UNLOAD: _unload,
}
_UNDO: Mapping[StepKind, str] = {
    StepKind.LOAD: "Nothing wishes for it any more: the nodes drop it.",
    StepKind.SET_WEIGHT: "Its share is 0 %.",
}
