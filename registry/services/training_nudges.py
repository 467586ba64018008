"""Sends the task of a training run; where the broker is away, the sweep does it later."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from registry.models import TrainingFile, TrainingRun
from registry.states import TrainingState

log = structlog.get_logger(__name__)
QUEUE = "training"
# A run may wait for hours behind another; the sweep sends it again, so old messages are dropped.
EXPIRES_SECONDS = 30


def train(run_id: int) -> None:
    """Ask a trainer to look at a run."""
    try:
        current_app.send_task(
            "registry.tasks.train",
            args=(run_id,),
            queue=QUEUE,
            retry=False,
            expires=EXPIRES_SECONDS,
        )
    except OperationalError:
        log.warning("broker away, the sweep will do it", task="registry.tasks.train")


def train_on_commit(run_id: int) -> None:
    """Ask when the caller's transaction has committed."""
    transaction.on_commit(lambda: train(run_id))


def train_waiting_for(file_id: int) -> None:
    """Ask for the runs that may have waited for this file to be scanned, on commit."""
    waiting = TrainingRun.objects.filter(
        state=TrainingState.QUEUED,
        adapter__in=TrainingFile.objects.filter(pk=file_id).values("avatar__adapter"),
    )
    for run_id in waiting.values_list("pk", flat=True):
        train_on_commit(run_id)
