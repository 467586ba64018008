"""Celery tasks: each loads by id and makes one service call; the sweep finds what is unfinished."""

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError

from deliveries import entry_tasks
from deliveries.selectors.deliveries import oldest_due_at, overdue_ids
from deliveries.services import delivery_jobs, delivery_nudges, delivery_sums
from serving.services import heartbeats

__all__ = [
    "add_up_deliveries",
    "entry_tasks",
    "forget_delivery_texts",
    "run_delivery",
    "sweep_deliveries",
]
log = structlog.get_logger(__name__)


@shared_task(name="deliveries.tasks.run_delivery", autoretry_for=(OperationalError,))
def run_delivery(job_id: int) -> None:
    """Try a job once; a second delivery of this message finds it taken or not due."""
    delivery_jobs.run(job_id=job_id)


@shared_task(name="deliveries.tasks.sweep_deliveries", expires=5)
def sweep_deliveries() -> None:
    """Take over what a dead worker left behind, and nudge again what is overdue.

    Health lies in the room below and can't ask; so it is told what waits longest.
    """
    if count := delivery_jobs.requeue_silent():
        log.warning("deliveries.taken_over", count=count)
    due_at = oldest_due_at()
    duties = {heartbeats.OLDEST_DUE: due_at} if due_at else {}
    heartbeats.beat(name=delivery_nudges.QUEUE, duties=duties)
    for job_id in overdue_ids():
        # A waiting job is nudged once in a while only: its message may still be in the queue.
        if cache.add(f"delivery-nudged:{job_id}", 1, timeout=settings.WORK_TAKE_OVER_SECONDS):
            delivery_nudges.run(job_id)


@shared_task(name="deliveries.tasks.add_up_deliveries", expires=60)
def add_up_deliveries() -> None:
    """Move the sums forward that Prometheus is told."""
    delivery_sums.add_up()


@shared_task(name="deliveries.tasks.forget_delivery_texts", expires=3600)
def forget_delivery_texts() -> None:
    """Remove the texts of deliveries once their time is over."""
    if count := delivery_jobs.forget_texts():
        log.info("deliveries.texts_forgotten", count=count)
