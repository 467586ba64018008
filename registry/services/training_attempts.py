"""A worker's attempt at a training run: taken, kept alive, ended in exactly one way."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from config.core import clock
from config.core.actors import SYSTEM
from config.core.events import publish
from config.core.states import move
from registry.domain.training_parameters import TrainingParameters
from registry.errors import TrainingAttemptOver
from registry.events import TrainingRunBegun, TrainingRunFinished
from registry.models import Blob, ScanState, TrainingFile, TrainingRun
from registry.services import training_folders, versions
from registry.states import TRAINING_MOVES, TrainingState
from registry.training import TRAINERS

MAX_ATTEMPTS = 5


def silent_since() -> datetime:
    """A run whose last heartbeat is older than this has no worker any more."""
    return clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)


def begin(*, run_id: int, worker: str) -> int | None:
    """Take a run up; the attempt's number, or None when it can't be taken up now.

    Unscanned data are not trained on: the run waits. Refused or vanished data end it.
    """
    with transaction.atomic():
        run = TrainingRun.objects.select_for_update(no_key=True).get(pk=run_id)
        is_silent = run.heartbeat_at is None or run.heartbeat_at < silent_since()
        if run.state == TrainingState.CANCELLING and is_silent:
            _end_cancelled(run)
            return None
        is_left = run.state == TrainingState.RUNNING and is_silent
        if run.state != TrainingState.QUEUED and not is_left:
            return None
        if why := _unusable(run):
            _end_failed(run, why)
            return None
        if _is_unscanned(run):
            return None
        if run.attempt >= MAX_ATTEMPTS:
            _end_failed(run, f"Its worker ended in the middle {run.attempt} times.")
            return None
        now, attempt = clock.now(), run.attempt + 1
        values: dict[str, Any] = {
            "attempt": attempt,
            "worker": worker[:200],
            "heartbeat_at": now,
            # Asked of the worker that computes: the web process may have none of them.
            "libraries": TRAINERS[run.trainer].libraries(),
        }
        if is_left:
            TrainingRun.objects.filter(pk=run.pk).update(**values)
        else:
            move(run, table=TRAINING_MOVES, to=TrainingState.RUNNING, started_at=now, **values)
        publish(
            TrainingRunBegun(
                actor=SYSTEM,
                object_type="training_run",
                object_id=str(run.uuid),
                run_id=run.pk,
                diff={"attempt": [attempt - 1, attempt], "worker": [None, worker[:200]]},
                reason=f"The worker of attempt {attempt - 1} fell silent." if is_left else "",
            )
        )
        return attempt


def touch(
    *,
    run_id: int,
    attempt: int,
    step: int,
    steps: int,
    series: Sequence[tuple[int, float]],
    checkpoint_step: int,
) -> None:
    """Say that the worker of an attempt lives, and how far it is.

    Raises:
        TrainingAttemptOver: another attempt has the run, or it is to end.
    """
    _tell(
        run_id,
        attempt,
        step=step,
        steps=steps,
        series=[list(point) for point in series],
        checkpoint_step=checkpoint_step,
    )


def prepare(*, run_id: int, attempt: int) -> None:
    """Say that the worker of an attempt lives and is reading base and data.

    What an earlier attempt told of its progress stays until this one knows better.

    Raises:
        TrainingAttemptOver: another attempt has the run, or it is to end.
    """
    _tell(run_id, attempt)


def _tell(run_id: int, attempt: int, **values: Any) -> None:
    mine = TrainingRun.objects.filter(pk=run_id, attempt=attempt, state=TrainingState.RUNNING)
    if not mine.update(heartbeat_at=clock.now(), **values):
        raise TrainingAttemptOver("Another worker has this run, or it is to end.", fix="Drop it.")


def complete(
    *,
    run_id: int,
    attempt: int,
    files: Mapping[str, Blob],
    metrics: Mapping[str, Any],
    series: Sequence[tuple[int, float]],
) -> TrainingRun:
    """Make the version and end the run, both or neither; ``files``: path → stored bytes.

    A run that is cancelled at this moment makes no version.

    Raises:
        TrainingAttemptOver: another attempt has the run, or it is to end.
    """
    with transaction.atomic():
        run = _mine(run_id, attempt)
        version, _ = versions.submit_manifest(
            adapter=run.adapter,
            files=[(path, blob.sha256) for path, blob in files.items()],
            user=run.requested_by,
            actor=SYSTEM,
            notes=_notes(run),
        )
        move(
            run,
            table=TRAINING_MOVES,
            to=TrainingState.COMPLETED,
            version=version,
            metrics=dict(metrics),
            step=metrics["steps"],
            steps=metrics["steps"],
            series=[list(point) for point in series],
            finished_at=clock.now(),
        )
        _publish_finished(
            run,
            diff={
                "version": [None, version.runtime_name],
                "final_loss": [None, str(metrics["final_loss"])],
                "steps": [None, metrics["steps"]],
            },
        )
    return run


def fail(*, run_id: int, attempt: int, error: str) -> None:
    """Give a run up; ``error`` says why and holds no training text.

    Raises:
        TrainingAttemptOver: another attempt has the run, or it is to end.
    """
    with transaction.atomic():
        _end_failed(_mine(run_id, attempt), error)


def end_cancelled(*, run_id: int, attempt: int) -> bool:
    """End a run that somebody cancels, if this attempt has it; what it wrote goes first."""
    with transaction.atomic():
        run = TrainingRun.objects.select_for_update(no_key=True).get(pk=run_id)
        if run.state != TrainingState.CANCELLING or run.attempt != attempt:
            return False
        _end_cancelled(run)
    return True


def _mine(run_id: int, attempt: int) -> TrainingRun:
    run = (
        TrainingRun.objects.select_for_update(of=("self",), no_key=True)
        .select_related("adapter", "requested_by")
        .get(pk=run_id)
    )
    if run.state != TrainingState.RUNNING or run.attempt != attempt:
        raise TrainingAttemptOver(
            f"Attempt {attempt} no longer has this run: it is {run.state}, attempt {run.attempt}.",
            fix="Drop this attempt.",
        )
    return run


def _files_of(run: TrainingRun) -> dict[str, TrainingFile]:
    ids = [row["file"] for row in run.data]
    return {str(file.uuid): file for file in TrainingFile.objects.filter(uuid__in=ids)}


def _unusable(run: TrainingRun) -> str:
    """Why the data can't be trained on, empty where nothing is against it."""
    found = _files_of(run)
    gone = [
        row
        for row in run.data
        if row["file"] not in found or found[row["file"]].sha256 != row["sha256"]
    ]
    if gone:
        return f"{len(gone)} of {len(run.data)} files were deleted or changed since it was asked."
    refused = [file for file in found.values() if file.scan_state == ScanState.REFUSED]
    return f"The scan refused {len(refused)} of {len(run.data)} files." if refused else ""


def _is_unscanned(run: TrainingRun) -> bool:
    return any(file.scan_state != ScanState.PASSED for file in _files_of(run).values())


def _end_failed(run: TrainingRun, error: str) -> None:
    before = run.state
    move(
        run,
        table=TRAINING_MOVES,
        to=TrainingState.FAILED,
        error=error[:500],
        finished_at=clock.now(),
    )
    _publish_finished(run, diff={"state": [before, str(run.state)]}, reason=error[:500])


def _end_cancelled(run: TrainingRun) -> None:
    training_folders.remove(run)
    move(run, table=TRAINING_MOVES, to=TrainingState.CANCELLED, finished_at=clock.now())
    _publish_finished(run, diff={"state": [str(TrainingState.CANCELLING), str(run.state)]})


def _publish_finished(run: TrainingRun, *, diff: dict[str, list[Any]], reason: str = "") -> None:
    publish(
        TrainingRunFinished(
            actor=SYSTEM,
            object_type="training_run",
            object_id=str(run.uuid),
            object_rev=run.version.digest if run.version else "",
            run_id=run.pk,
            state=str(run.state),
            version_id=run.version_id,
            diff=diff,
            reason=reason,
        )
    )


def _notes(run: TrainingRun) -> str:
    plan = TrainingParameters.parse(run.parameters)
    return (
        f"Trained by run {run.uuid} on {len(run.data)} files, {plan.num_epochs} epochs, "
        f"seed {run.seed}; training.json in the package says on what and how."
    )
