"""Celery tasks: each loads by id and makes one service call; the sweeps find what is unfinished."""

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError

from serving import agent
from serving.selectors.evaluations import runs_to_take_up
from serving.selectors.rollouts import unfinished_ids
from serving.services import (
    evaluation_runs,
    feedback,
    nudges,
    queues,
    reconciling,
    rollbacks,
    rollouts,
)

__all__ = [
    "advance_rollout",
    "agent",
    "forget_reported_texts",
    "purge_queues",
    "reconcile_nodes",
    "run_evaluation",
    "sweep_evaluations",
    "sweep_rollouts",
]
log = structlog.get_logger(__name__)
STEPS_A_CALL = 20


@shared_task(name="serving.tasks.advance_rollout", autoretry_for=(OperationalError,))
def advance_rollout(rollout_id: int) -> None:
    """Move a rollout on until it waits for something."""
    for _ in range(STEPS_A_CALL):
        if not rollouts.advance(rollout_id=rollout_id):
            return


@shared_task(name="serving.tasks.sweep_rollouts", expires=5)
def sweep_rollouts() -> None:
    """Look at every unfinished rollout again, and at what was stopped."""
    rollbacks.obey_stops()
    for rollout_id in unfinished_ids():
        advance_rollout(rollout_id)


@shared_task(name="serving.tasks.reconcile_nodes", expires=5)
def reconcile_nodes() -> None:
    """Compare what is wished with what is there, on every node."""
    reconciling.reconcile_all()


@shared_task(name="serving.tasks.run_evaluation")
def run_evaluation(run_id: int) -> None:
    """Run an evaluation; a second delivery finds it taken."""
    evaluation_runs.run(run_id=run_id)


@shared_task(name="serving.tasks.sweep_evaluations", expires=5)
def sweep_evaluations() -> None:
    """Nudge again what waits and could run, and give up what can't be loaded."""
    evaluation_runs.fail_unloadable()
    for run_id in runs_to_take_up():
        # A waiting run is nudged once in a while only: its message may still be in the queue.
        if cache.add(f"evaluation-nudged:{run_id}", 1, timeout=settings.WORK_TAKE_OVER_SECONDS):
            nudges.evaluate(run_id)


@shared_task(name="serving.tasks.forget_reported_texts", expires=3600)
def forget_reported_texts() -> None:
    """Remove the texts of reports once their time is over."""
    if count := feedback.forget_texts():
        log.info("feedback.texts_forgotten", count=count)


@shared_task(name="serving.tasks.purge_queues", expires=60)
def purge_queues() -> None:
    """Drop what waits for nodes that are not there any more."""
    queues.purge_dead()
