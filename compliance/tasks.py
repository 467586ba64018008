"""Celery tasks of the queue ``checks``: each loads by id and makes one service call."""

from typing import Any

import structlog
from celery import Task, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from compliance.selectors.checks import waiting_runs
from compliance.services import check_runs, rechecks, training_scans, verification

log = structlog.get_logger(__name__)


@shared_task(name="compliance.tasks.execute_check_run")
def execute_check_run(run_id: int) -> None:
    """Run the checks of one run; a second delivery finds nothing to do."""
    check_runs.execute(run_id=run_id)


@shared_task(name="compliance.tasks.sweep_check_runs")
def sweep_check_runs() -> None:
    """Nudge again what waits, and what a dead worker left behind."""
    check_runs.requeue_stale()
    for run_id in waiting_runs():
        nudge(execute_check_run, run_id)


@shared_task(name="compliance.tasks.scan_training_file")
def scan_training_file(file_id: int) -> None:
    """Scan a text to train with; a second delivery finds it scanned."""
    training_scans.scan(file_id=file_id)


@shared_task(name="compliance.tasks.sweep_training_files", expires=5)
def sweep_training_files() -> None:
    """Scan what waits for longer than a message takes."""
    for file_id in training_scans.overdue():
        nudge(scan_training_file, file_id)


@shared_task(name="compliance.tasks.recheck_approved")
def recheck_approved() -> None:
    """The nightly round over everything that is approved."""
    rechecks.open_due()


@shared_task(name="compliance.tasks.verify_trail", expires=3600)
def verify_trail() -> None:
    """Verify the audit trail, each night."""
    verification.verify_and_record()


def nudge(task: Task, *args: Any) -> None:
    """Send a task; where the broker is away, the sweep does it later."""
    try:
        task.apply_async(args, retry=False)
    except OperationalError:
        log.warning("broker away, the sweep will do it", task=task.name)


def nudge_on_commit(task: Task, *args: Any) -> None:
    """Send a task when the caller's transaction has committed."""
    transaction.on_commit(lambda: nudge(task, *args))
