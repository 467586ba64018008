"""Where trainings keep their checkpoints: one folder and one lock a run, until the run is over."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.conf import settings

from registry.models import TrainingRun
from registry.states import OPEN_TRAINING_STATES


def folder_of(run: TrainingRun) -> Path:
    """The run's own folder; nobody but its worker writes there."""
    return _root() / str(run.uuid)


@contextmanager
def held(run: TrainingRun) -> Iterator[bool]:
    """Hold the run on this machine; False where another process does.

    The lock is the kernel's: a killed process holds nothing, and a worker that merely can't reach
    the database keeps the folder to itself.
    """
    root = _root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / f"{run.uuid}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def remove(run: TrainingRun) -> None:
    """Delete the run's checkpoints and whatever else it has written."""
    shutil.rmtree(folder_of(run), ignore_errors=True)


def sweep() -> int:
    """Delete folders and locks of runs that are over or were never there; how many runs' went."""
    root = _root()
    if not root.is_dir():
        return 0
    found = {path.name.removesuffix(".lock"): path for path in root.iterdir()}
    ids = {name for name in found if _is_uuid(name)}
    kept = {
        str(uuid)
        for uuid in TrainingRun.objects.filter(
            uuid__in=ids, state__in=OPEN_TRAINING_STATES
        ).values_list("uuid", flat=True)
    }
    for name in ids - kept:
        shutil.rmtree(root / name, ignore_errors=True)
        (root / f"{name}.lock").unlink(missing_ok=True)
    return len(ids - kept)


def _root() -> Path:
    return Path(settings.TRAINING_FOLDER)


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
