"""The registry's sweeps."""

from celery import Task, shared_task
from django.db import OperationalError

from registry.services import (
    artifacts,
    avatar_backups,
    blobs,
    flag_files,
    garbage,
    storage_aliases,
    training_work,
    uploads,
)


@shared_task
def sweep_incoming() -> int:
    """Delete what killed uploads left beside the blob store more than a day ago."""
    return blobs.sweep_incoming()


@shared_task
def sweep_uploads() -> int:
    """End uploads in chunks that nobody went on with for a day."""
    return uploads.sweep()


@shared_task(name="registry.tasks.train", bind=True, autoretry_for=(OperationalError,))
def train(self: Task, run_id: int) -> None:
    """Train a run to its end; a second delivery finds it taken."""
    training_work.execute(run_id=run_id, worker=str(self.request.hostname or "unknown"))


@shared_task(name="registry.tasks.sweep_trainings", expires=5)
def sweep_trainings() -> None:
    """Nudge runs that wait or were left, and clear up after those that are over."""
    training_work.sweep()


@shared_task(name="registry.tasks.back_up_trained", expires=5)
def back_up_trained() -> int:
    """Back up avatars whose training ended."""
    return avatar_backups.back_up_trained()


@shared_task(name="registry.tasks.sweep_flag_files", expires=5)
def sweep_flag_files() -> int:
    """Write the flags files of avatars that a store was away for."""
    return flag_files.sweep()


@shared_task(name="registry.tasks.collect_garbage", expires=3600)
def collect_garbage() -> int:
    """Erase bytes that nothing has needed for the grace period; how many blobs went."""
    return len(garbage.collect().sha256s)


@shared_task(name="registry.tasks.sweep_storage", expires=60)
def sweep_storage() -> int:
    """Settle keys and mirrored records that a store was away for; how many."""
    return storage_aliases.sweep() + artifacts.sweep_mirror()
