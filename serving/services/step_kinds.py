"""What each kind of step does, and how it is undone; no network, one look at the database."""

from collections.abc import Callable, Mapping
from datetime import timedelta

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
from serving.services.rollout_records import move_rollout
from serving.services.step_results import Result, done, pause, roll_back, wait
from serving.states import ReplicaState, RolloutState, StepKind, Trigger

__all__ = ["Result", "run", "undo"]

GIVE_UP_AFTER = 3
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
        return wait(f"No node with the base {base.slug} answers.")
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
        return wait(f"It is loaded and proven on {len(proven)} of {len(fitting)} nodes.")
    if len(answering_on(revision)) < len(proven):
        return wait("The nodes are being told that they may serve it.")
    if proven:
        return done(f"Proven on {len(proven)} of {len(fitting)} nodes.")
    return roll_back(
        Trigger.HEALTH_FAILED, f"It could not be loaded: {next(iter(given_up.values()))}"
    )


def _set_weight(rollout: Rollout, step: RolloutStep) -> Result:
    stage, weight_percent = int(step.params["stage"]), int(step.params["weight_percent"])
    if not proven_on(rollout.to_revision):
        return wait("No node has proven it at the moment.")
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
    return pause(str(step.params.get("why") or "A person decides whether it goes on."))


def _promote(rollout: Rollout, step: RolloutStep) -> Result:
    deployment, revision = rollout.deployment, rollout.to_revision
    version = revision.version
    if not proven_on(revision):
        return wait("No node has proven it at the moment.")
    if version is not None and rollout.strategy != "rollback":
        try:
            approvals.require(version=version)
        except Forbidden as error:
            return roll_back(Trigger.VALIDATION_FAILED, error.message)
    now = clock.now()
    changed = Deployment.objects.filter(
        pk=deployment.pk, stable_revision=rollout.from_revision
    ).update(stable_revision=revision, stable_since=now)
    if not changed:
        return roll_back(Trigger.SYSTEM_ERROR, "Another version became stable meanwhile.")
    if version is not None:
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
        action="rollout.promoted",
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
    StepKind.ANALYSE: analysing.run,
    StepKind.PAUSE: _pause,
    StepKind.PROMOTE: _promote,
    StepKind.UNLOAD: _unload,
}
_UNDO: Mapping[StepKind, str] = {
    StepKind.LOAD: "Nothing wishes for it any more: the nodes drop it.",
    StepKind.SET_WEIGHT: "Its share is 0 %.",
}
