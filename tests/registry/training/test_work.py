"""Runs from the request to the version: trained and judged, killed and resumed, cancelled."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.db import connection

from compliance.models import AuditEvent, CheckRun
from compliance.services import check_runs
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.events import _handlers, subscribe
from registry import training_selectors as selectors
from registry.events import TrainingRunFinished
from registry.models import Blob, TrainingRun, Version
from registry.services import blobs, training_folders, training_runs
from registry.services import training_work as work
from registry.states import TrainingState
from registry.training import TRAINERS
from registry.training.base import Trained, Trainer, TrainingImpossible, TrainingJob, Watch
from tests.factories import registry
from tests.factories import training as make
from tests.factories.gateway import until
from tests.kills.running import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("training")]
WORKER = """
import sys, django
django.setup()
from registry.services import training_work
training_work.execute(run_id=int(sys.argv[1]), worker="killed")
"""


def _again(run: TrainingRun) -> TrainingRun:
    return selectors.runs().get(pk=run.pk)


def _json_of(version: Version, path: str) -> Any:
    with blobs.open(version.files.get(path=path).blob) as stream:
        return json.load(stream)


@contextmanager
def _heard() -> Iterator[list[TrainingRunFinished]]:
    seen: list[TrainingRunFinished] = []
    subscribe(TrainingRunFinished, seen.append)
    yield seen
    _handlers[TrainingRunFinished].remove(seen.append)


def test_a_run_learns_and_its_version_passes_the_checks_A35_A38_A44_A55(
    training_folder: Path,
) -> None:
    run = make.start(make.avatar())
    with _heard() as news:
        assert work.execute(run_id=run.pk, worker="here")
    run = _again(run)
    assert run.state == TrainingState.COMPLETED, run.error
    assert make.losses(run)[-1] < 0.9 * make.losses(run)[0]
    assert run.metrics["final_loss"] == make.losses(run)[-1]
    assert run.metrics["steps"] == run.step == run.steps
    assert run.metrics["examples"] == 7, "six rows of three files, and one text"
    assert run.version is not None and run.version.submitted_by == run.requested_by
    package = CheckRun.objects.get(version=run.version, kind=CheckRun.Kind.PACKAGE)
    assert check_runs.execute(run_id=package.pk)
    package.refresh_from_db()
    bad = [row for row in package.results.all() if row.state not in {"pass", "not_applicable"}]
    assert (package.is_blocked, [(row.check_id, row.state) for row in bad]) == (False, [])
    written = _json_of(run.version, "training.json")
    assert (written["seed"], written["trainer"]) == (run.seed, "lora")
    assert written["parameters"]["learning_rate"] == make.QUICK["learning_rate"]
    assert {row["sha256"] for row in written["data"]} == {row["sha256"] for row in run.data}
    assert written["base"]["sha256"] == run.base_model.digest
    assert set(written["libraries"]) >= {"torch", "peft", "transformers"}
    assert not training_folders.folder_of(run).exists()
    assert [(row.run_id, row.state, row.version_id) for row in news] == [
        (run.pk, "completed", run.version.pk)
    ]
    assert not work.execute(run_id=run.pk, worker="a second delivery")
    assert Version.objects.count() == 1


def test_a_killed_workers_run_goes_on_to_the_same_bytes(training_folder: Path) -> None:
    run = make.start(make.avatar(), num_epochs=10)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(run.pk)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": database_url(), "OMP_NUM_THREADS": "1"},
    )
    until(lambda: list(training_folders.folder_of(run).glob("checkpoint-*")), seconds=90)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait(10) == -signal.SIGKILL
    left = _again(run)
    assert (left.state, left.attempt, left.worker) == (TrainingState.RUNNING, 1, "killed")
    assert not work.execute(run_id=run.pk, worker="too early")
    TrainingRun.objects.filter(pk=run.pk).update(
        heartbeat_at=clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS + 1)
    )
    work.sweep()
    assert work.execute(run_id=run.pk, worker="here")
    run = _again(run)
    assert (run.state, run.attempt) == (TrainingState.COMPLETED, 2)
    assert AuditEvent.objects.filter(action="training.begun").count() == 2
    assert 2 <= run.metrics["went_on_from_step"] < run.steps
    steps = [point[0] for point in run.series]
    assert steps == sorted(set(steps)) and steps[-1] == run.steps
    unkilled = make.start(make.avatar(), num_epochs=10)
    assert work.execute(run_id=unkilled.pk, worker="here")
    unkilled = _again(unkilled)
    assert run.version is not None and unkilled.version is not None
    assert run.series == unkilled.series
    assert run.version.digest == unkilled.version.digest


class _Reader(Trainer):
    """Reads its base for as long as it takes to be seen alive, then gives up."""

    name: ClassVar[str] = "reader"

    def __init__(self) -> None:
        self.seen: list[TrainingRun] = []

    def libraries(self) -> dict[str, str]:
        return {}

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        begun = TrainingRun.objects.get()
        until(lambda: TrainingRun.objects.get().heartbeat_at != begun.heartbeat_at, seconds=20)
        self.seen.append(TrainingRun.objects.get())
        raise TrainingImpossible("That is enough.", fix="Nothing.")


def test_who_takes_a_run_up_leaves_its_progress_until_he_knows_better(
    training_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = _Reader()
    monkeypatch.setitem(TRAINERS, reader.name, reader)  # type: ignore[misc]
    run = make.start(make.avatar())
    TrainingRun.objects.filter(pk=run.pk).update(
        trainer=reader.name, state=TrainingState.RUNNING, attempt=1, step=3, steps=6,
        series=[[3, 1.25]], checkpoint_step=2,
    )  # fmt: skip
    assert not work.execute(run_id=run.pk, worker="next")
    (seen,) = reader.seen
    assert (seen.attempt, seen.step, seen.steps, seen.checkpoint_step) == (2, 3, 6, 2)
    assert seen.series == [[3, 1.25]]


def test_a_cancelled_run_leaves_nothing_half_done(training_folder: Path) -> None:
    avatar = make.avatar()
    run = make.start(avatar, num_epochs=100)
    before = Blob.objects.count()
    results: list[bool] = []

    def train() -> None:
        results.append(work.execute(run_id=run.pk, worker="here"))
        connection.close()

    worker = threading.Thread(target=train, daemon=True)
    worker.start()
    until(lambda: _again(run).step >= 2, seconds=60)
    assert training_folders.folder_of(run).exists()
    with _heard() as news:
        training_runs.cancel(run=_again(run), user=avatar.owner, actor=actor_of(avatar.owner))
        worker.join(60)
    assert results == [False]
    assert _again(run).state == TrainingState.CANCELLED
    assert not training_folders.folder_of(run).exists()
    assert (Version.objects.count(), Blob.objects.count()) == (0, before)
    assert [row.state for row in news] == ["cancelled"]


def test_what_can_not_be_learned_ends_the_run_with_its_reason(training_folder: Path) -> None:
    files = {"one.jsonl": make.texts()["notes-0.jsonl"]}
    run = make.start(make.avatar(files=files), max_seq_length=16)
    assert not work.execute(run_id=run.pk, worker="here")
    run = _again(run)
    assert run.state == TrainingState.FAILED
    assert run.error == "None of 2 examples fits into 16 tokens."
    assert not training_folders.folder_of(run).exists()


class _Loom(Trainer):
    """A trainer of another kind: it hands over a package that it has at hand."""

    name = "loom"

    def libraries(self) -> dict[str, str]:
        return {"loom": "1"}

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        watch.began(step=0, steps=1, series=[])
        watch.stepped(step=1, point=(1, 0.5))
        job.folder.mkdir(parents=True)
        files = {}
        for name, data in registry.package(base_name=job.base_name).items():
            (job.folder / name).write_bytes(data)
            files[name] = job.folder / name
        return Trained(files, {"steps": 1, "final_loss": 0.5, "examples": len(job.examples)})


def test_another_trainer_takes_its_place_A35(
    training_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRAINERS, "loom", _Loom())  # type: ignore[misc]
    run = make.start(make.avatar())
    TrainingRun.objects.filter(pk=run.pk).update(trainer="loom")
    assert work.execute(run_id=run.pk, worker="here")
    run = _again(run)
    assert (run.state, run.libraries, run.series) == ("completed", {"loom": "1"}, [[1, 0.5]])
    assert run.metrics["examples"] == 7
    assert run.version is not None and run.version.files.count() == 2
