"""Sends delivery jobs to their worker; where the broker is away, the sweep does it later."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)
TASK = "deliveries.tasks.run_delivery"
QUEUE = "deliveries"


def run(job_id: int, *, after_seconds: float = 0.0) -> None:
    """Have a worker try a job, at once or after a pause."""
    try:
        current_app.send_task(
            TASK, args=(job_id,), queue=QUEUE, retry=False, countdown=after_seconds or None
        )
    except OperationalError:
        log.warning("broker away, the sweep will do it", task=TASK)


def run_on_commit(job_id: int, *, after_seconds: float = 0.0) -> None:
    """The same, as soon as the caller's transaction has committed."""
    transaction.on_commit(lambda: run(job_id, after_seconds=after_seconds))
