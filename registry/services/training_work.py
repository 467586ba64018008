"""A trainer's work: take a run up, train it, hand the result over; and the sweep over the rest."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import close_old_connections, connection
from django.db.models import Q

from config.core.errors import DomainError
from config.core.heartbeats import beating
from registry.domain.training_data import records
from registry.domain.training_parameters import TrainingParameters
from registry.errors import TrainingAttemptOver, TrainingDataMissing
from registry.models import Blob, TrainingFile, TrainingRun
from registry.services import (
    blobs,
    training_attempts,
    training_files,
    training_folders,
    training_nudges,
)
from registry.states import OPEN_TRAINING_STATES
from registry.training import TRAINERS
from registry.training.base import (
    Example,
    Message,
    Trained,
    TrainingJob,
    TrainingStopped,
)

log = structlog.get_logger(__name__)
NUDGE_EVERY_SECONDS = 15


def execute(*, run_id: int, worker: str) -> bool:
    """Train a run to its end; False where it is not to be had now, or did not end well.

    At least once: a second delivery finds the run taken. A run whose worker fell silent goes on
    from its checkpoint. What was learned becomes a version only while this attempt has the run.
    """
    run = TrainingRun.objects.select_related("base_model").get(pk=run_id)
    with training_folders.held(run) as is_held:
        if not is_held:
            return False
        attempt = training_attempts.begin(run_id=run_id, worker=worker)
        if attempt is None:
            return False
        run.refresh_from_db()
        watch = _RunWatch(run_id, attempt)
        try:
            with beating(watch.tell):
                job = _job(run)
                # Hours of training hold no connection, and don't end with a broken one.
                close_old_connections()
                trained = TRAINERS[run.trainer].train(job, watch)
                stored = _store(trained)
            training_attempts.complete(
                run_id=run_id,
                attempt=attempt,
                files=stored,
                metrics=trained.metrics,
                series=watch.series,
            )
        except (TrainingStopped, TrainingAttemptOver):
            training_attempts.end_cancelled(run_id=run_id, attempt=attempt)
            return False
        except DomainError as error:
            log.warning("training.failed", run=str(run.uuid), code=error.code)
            _give_up(run_id, attempt, error)
            training_folders.remove(run)
            return False
        training_folders.remove(run)
        return True


def sweep() -> int:
    """Nudge what waits or was left, end what is cancelled without a worker; how many are open.

    A run that a worker beats for is left alone. Folders of runs that are over go.
    """
    training_folders.sweep()
    open_runs = TrainingRun.objects.filter(state__in=OPEN_TRAINING_STATES)
    silent = Q(heartbeat_at=None) | Q(heartbeat_at__lt=training_attempts.silent_since())
    for run_id in open_runs.filter(silent).values_list("pk", flat=True):
        # Once in a while only: behind another training its message may wait in the queue.
        if cache.add(f"training-nudged:{run_id}", 1, timeout=NUDGE_EVERY_SECONDS):
            training_nudges.train(run_id)
    return open_runs.count()


class _RunWatch:
    """Told by the trainer's thread, tells the database each second from the heartbeat's.

    Training never waits for the database, and a database that is away for a moment ends nothing.
    """

    def __init__(self, run_id: int, attempt: int) -> None:
        self._run_id, self._attempt = run_id, attempt
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._step = self._steps = self._checkpoint_step = 0
        self._series: list[tuple[int, float]] = []

    @property
    def series(self) -> list[tuple[int, float]]:
        """The curve so far."""
        with self._lock:
            return list(self._series)

    def began(self, *, step: int, steps: int, series: Sequence[tuple[int, float]]) -> None:
        """As the trainer says."""
        with self._lock:
            self._step, self._steps, self._checkpoint_step = step, steps, step
            self._series = list(series)

    def stepped(self, *, step: int, point: tuple[int, float] | None) -> None:
        """As the trainer says."""
        with self._lock:
            self._step = step
            if point is not None:
                self._series.append(point)

    def checkpointed(self, *, step: int) -> None:
        """As the trainer says."""
        with self._lock:
            self._checkpoint_step = step

    def must_stop(self) -> bool:
        """Whether the run was lost or is to end."""
        return self._is_over.is_set()

    def tell(self) -> None:
        """Write down how far it is; learn whether it is still wanted."""
        mine: dict[str, Any] = {"run_id": self._run_id, "attempt": self._attempt}
        with self._lock:
            said: dict[str, Any] = {
                "step": self._step,
                "steps": self._steps,
                "series": list(self._series),
                "checkpoint_step": self._checkpoint_step,
            }
        try:
            if said["steps"]:
                training_attempts.touch(**mine, **said)
            else:
                training_attempts.prepare(**mine)
        except TrainingAttemptOver:
            self._is_over.set()
        finally:
            # This thread has a connection of its own, which must not stay open between beats.
            connection.close()


def _job(run: TrainingRun) -> TrainingJob:
    return TrainingJob(
        base_folder=Path(run.base_model.folder),
        base_name=run.base_model.slug,
        base_digest=run.base_digest,
        parameters=TrainingParameters.parse(run.parameters),
        seed=run.seed,
        examples=list(_examples(run)),
        folder=training_folders.folder_of(run),
        checkpoint_seconds=settings.TRAINING_CHECKPOINT_SECONDS,
        provenance={
            "data": [
                {key: row[key] for key in ("kind", "sha256", "size_bytes")} for row in run.data
            ],
            "libraries": run.libraries,
            "trainer": run.trainer,
        },
    )


def _examples(run: TrainingRun) -> Iterator[Example]:
    """The records of the run's files, in the order of its data."""
    ids = [row["file"] for row in run.data]
    files = {str(file.uuid): file for file in TrainingFile.objects.filter(uuid__in=ids)}
    for row in run.data:
        file = files.get(row["file"])
        if file is None or file.sha256 != row["sha256"]:
            raise TrainingDataMissing(
                "A file was deleted or changed since the training was asked for.",
                fix="Start another run with the files that are there now.",
            )
        with training_files.open_text(file) as stream:
            for record in records(row["kind"], stream):
                turns = (Message("user", record.prompt),) if record.prompt else ()
                yield Example(record.completion, turns)


def _store(trained: Trained) -> dict[str, Blob]:
    stored = {}
    for path, file in trained.files.items():
        with file.open("rb") as stream:
            stored[path] = blobs.store(stream)
    return stored


def _give_up(run_id: int, attempt: int, error: DomainError) -> None:
    try:
        training_attempts.fail(run_id=run_id, attempt=attempt, error=error.message)
    except TrainingAttemptOver:
        training_attempts.end_cancelled(run_id=run_id, attempt=attempt)
