"""Sends tasks by name; where the broker is away, the sweeps do it later."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from compliance.models import EvaluationRun
from serving.models import Replica
from serving.selectors.evaluations import ready_node, waiting_runs_of
from serving.selectors.rollouts import open_with_version
from serving.states import ReplicaState

log = structlog.get_logger(__name__)
ToAgent = Callable[[str, str], None]
# A task for an agent that is away is worth nothing later: the reconciler sends it again.
AGENT_TASK_EXPIRES_SECONDS = 60


def load(replica_uuid: str, queue: str) -> None:
    """Tell a node's agent that there is something to load."""
    _send("serving.agent.load_replica", replica_uuid, queue=queue, to_agent=True)


def unload(replica_uuid: str, queue: str) -> None:
    """Tell a node's agent that there is something to unload."""
    _send("serving.agent.unload_replica", replica_uuid, queue=queue, to_agent=True)


def advance_on_commit(rollout_id: int) -> None:
    """Look at a rollout as soon as the caller's transaction has committed."""
    transaction.on_commit(
        lambda: _send("serving.tasks.advance_rollout", rollout_id, queue="control")
    )


def reconcile_on_commit() -> None:
    """Look at the nodes as soon as the caller's transaction has committed."""
    transaction.on_commit(lambda: _send("serving.tasks.reconcile_nodes", queue="control"))


def sweep_rollouts_on_commit() -> None:
    """Look at all rollouts as soon as the caller's transaction has committed."""
    transaction.on_commit(lambda: _send("serving.tasks.sweep_rollouts", queue="control"))


def follow_replica(replica_id: int) -> None:
    """A replica has moved: who waited for it goes on when the caller's transaction commits."""
    replica = Replica.objects.select_related("version").get(pk=replica_id)
    if replica.state not in {ReplicaState.READY, ReplicaState.FAILED}:
        return
    for rollout_id in open_with_version(replica.version):
        advance_on_commit(rollout_id)
    if replica.state == ReplicaState.READY:
        for run_id in waiting_runs_of(replica.version_id):
            evaluate_on_commit(run_id)


def follow_evaluation(run_id: int) -> None:
    """An evaluation was asked for: it runs where its version is, else the version is loaded."""
    run = EvaluationRun.objects.get(pk=run_id)
    if ready_node(run) is not None:
        evaluate_on_commit(run_id)
    reconcile_on_commit()


def evaluate(run_id: int) -> None:
    """Run an evaluation."""
    _send("serving.tasks.run_evaluation", run_id, queue="evaluations")


def evaluate_on_commit(run_id: int) -> None:
    """Run an evaluation as soon as the caller's transaction has committed."""
    transaction.on_commit(lambda: evaluate(run_id))


def _send(name: str, *args: Any, queue: str, to_agent: bool = False) -> None:
    try:
        current_app.send_task(
            name,
            args=args,
            queue=queue,
            retry=False,
            expires=AGENT_TASK_EXPIRES_SECONDS if to_agent else None,
        )
    except OperationalError:
        log.warning("broker away, the sweep will do it", task=name)
