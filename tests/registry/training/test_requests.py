"""Asking for trainings: what is frozen, what is refused, who may cancel; no training happens."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from compliance.models import AuditEvent
from compliance.services import training_scans
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.celery import app
from config.core import clock
from config.core.errors import Conflict, Forbidden
from registry import tasks
from registry import training_selectors as selectors
from registry.domain.training_parameters import TrainingParametersInvalid
from registry.errors import TrainingAttemptOver, TrainingDataMissing, TrainingInProgress
from registry.models import Avatar, Blob, ScanState, TrainingRun, Version
from registry.services import training_attempts as attempts
from registry.services import training_files, training_folders, training_runs
from registry.services import training_work as work
from registry.states import TRAINING_MOVES, TrainingState
from tests.factories import accounts
from tests.factories import training as make

pytestmark = pytest.mark.django_db


def _again(run: TrainingRun) -> TrainingRun:
    return selectors.runs().get(pk=run.pk)


def _fall_silent(run: TrainingRun) -> None:
    long_ago = clock.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)


def test_only_flagged_files_are_trained_on_A4_A48() -> None:
    avatar = make.avatar()
    make.upload(avatar.owner, avatar.name, {"spare.txt": b"not for training"},
                use_for_training=False)  # fmt: skip
    training_files.set_flag(
        avatar=avatar, name="notes-1.csv", use_for_training=False, actor=actor_of(avatar.owner)
    )
    run = make.start(avatar)
    flagged = avatar.files.filter(use_for_training=True)
    assert {file.name for file in flagged} == {"notes-0.jsonl", "notes-2.json", "notes-3.txt"}
    assert {(row["file"], row["sha256"]) for row in run.data} == {
        (str(file.uuid), file.sha256) for file in flagged
    }
    for file in flagged:
        training_files.set_flag(
            avatar=avatar, name=file.name, use_for_training=False, actor=actor_of(avatar.owner)
        )
    assert len(_again(run).data) == 3, "what is trained is fixed when it is asked for"
    training_runs.cancel(run=run, user=avatar.owner, actor=actor_of(avatar.owner))
    with pytest.raises(TrainingDataMissing, match="No file of this avatar is flagged"):
        make.start(avatar)


def test_the_avatars_configuration_goes_under_the_requests_parameters_A41() -> None:
    avatar = make.avatar()
    configured = {"lora_r": 4, "lora_alpha": 8, "target_modules": ["v_proj"]}
    Avatar.objects.filter(pk=avatar.pk).update(configuration=configured)
    avatar.refresh_from_db()
    run = training_runs.start(
        avatar=avatar, actor=actor_of(avatar.owner), parameters={"lora_alpha": 16, "seed": 3}
    )
    assert (run.parameters["lora_r"], run.parameters["lora_alpha"]) == (4, 16)
    assert run.parameters["target_modules"] == ["v_proj"]
    assert (run.parameters["learning_rate"], run.seed) == (2e-4, 3)


def test_a_run_is_prepared_with_all_that_makes_its_result_A43_A65() -> None:
    avatar = make.avatar()
    run = make.start(avatar, seed=11)
    adapter = avatar.adapter
    assert adapter is not None
    assert (run.adapter, run.base_model) == (adapter, adapter.base_model)
    assert run.base_digest == adapter.base_model.digest
    assert (run.seed, run.trainer, run.state) == (11, "lora", TrainingState.QUEUED)
    assert run.requested_by == avatar.owner
    attempts.begin(run_id=run.pk, worker="here")
    assert {"python", "torch", "transformers", "peft"} <= set(_again(run).libraries)
    event = AuditEvent.objects.get(action="training.queued")
    assert event.object_id == str(run.uuid)
    assert all(row["sha256"] in event.body for row in run.data)
    assert "notes-0" not in event.body, "names of files may tell of patients"


def test_the_same_request_is_the_same_run_and_another_is_refused() -> None:
    avatar = make.avatar()
    run = make.start(avatar)
    assert make.start(avatar) == run
    with pytest.raises(TrainingInProgress, match=str(run.uuid)):
        make.start(avatar, num_epochs=1)
    assert TrainingRun.objects.count() == 1
    for value in (-1, 2**63, "7", True):
        with pytest.raises(TrainingParametersInvalid, match="/seed"):
            make.start(avatar, seed=value)


def test_unscanned_data_wait_and_refused_data_end_the_run_A36() -> None:
    files = {"good.jsonl": b'{"prompt": "a", "completion": "b"}', "odd.jsonl": b"no JSON at all"}
    avatar = make.avatar(files=files, is_scanned=False)
    run = make.start(avatar)
    assert attempts.begin(run_id=run.pk, worker="here") is None
    assert _again(run).state == TrainingState.QUEUED
    good, odd = avatar.files.order_by("name")
    assert training_scans.scan(file_id=good.pk) == ScanState.PASSED
    assert attempts.begin(run_id=run.pk, worker="here") is None
    assert training_scans.scan(file_id=odd.pk) == ScanState.REFUSED
    assert training_scans.scan(file_id=odd.pk) is None, "it is known already"
    assert attempts.begin(run_id=run.pk, worker="here") is None
    assert (_again(run).state, _again(run).error) == (
        TrainingState.FAILED,
        "The scan refused 1 of 2 files.",
    )
    with pytest.raises(TrainingDataMissing) as caught:
        make.start(avatar)
    assert caught.value.errors[0]["file"] == str(odd.uuid)
    assert "no JSON at all" not in str(caught.value.errors)


def test_data_that_were_deleted_or_changed_end_the_run() -> None:
    avatar = make.avatar()
    run = make.start(avatar)
    make.upload(avatar.owner, avatar.name, {"notes-3.txt": b"other words"})
    make.scan(avatar)
    assert attempts.begin(run_id=run.pk, worker="here") is None
    assert _again(run).error.startswith("1 of 4 files were deleted or changed")


def test_a_run_has_one_worker_until_it_falls_silent() -> None:
    run = make.start(make.avatar())
    assert attempts.begin(run_id=run.pk, worker="one") == 1
    assert attempts.begin(run_id=run.pk, worker="two") is None
    _fall_silent(run)
    assert attempts.begin(run_id=run.pk, worker="two") == 2
    told = {"step": 1, "steps": 9, "series": [(1, 2.5)], "checkpoint_step": 0}
    with pytest.raises(TrainingAttemptOver):
        attempts.touch(run_id=run.pk, attempt=1, **told)  # type: ignore[arg-type]
    attempts.touch(run_id=run.pk, attempt=2, **told)  # type: ignore[arg-type]
    assert (_again(run).step, _again(run).series) == (1, [[1, 2.5]])
    with pytest.raises(TrainingAttemptOver):
        attempts.complete(run_id=run.pk, attempt=1, files={}, metrics={}, series=[])
    with pytest.raises(TrainingAttemptOver):
        attempts.fail(run_id=run.pk, attempt=1, error="late")
    for attempt in (3, 4, 5):
        _fall_silent(run)
        assert attempts.begin(run_id=run.pk, worker="next") == attempt
    _fall_silent(run)
    assert attempts.begin(run_id=run.pk, worker="last") is None
    assert _again(run).error == "Its worker ended in the middle 5 times."


def test_a_cancelled_run_whose_worker_is_gone_ends_and_leaves_nothing() -> None:
    avatar = make.avatar()
    run = make.start(avatar)
    attempts.begin(run_id=run.pk, worker="gone")
    folder = training_folders.folder_of(run)
    (folder / "checkpoint-2").mkdir(parents=True)
    training_runs.cancel(run=run, user=avatar.owner, actor=actor_of(avatar.owner))
    training_runs.cancel(run=run, user=avatar.owner, actor=actor_of(avatar.owner))
    assert not work.execute(run_id=run.pk, worker="next")
    assert _again(run).state == TrainingState.CANCELLING, "its worker may still live"
    blob = Blob.objects.order_by("pk").first()
    assert blob is not None
    with pytest.raises(TrainingAttemptOver):
        attempts.complete(
            run_id=run.pk, attempt=1, files={"adapter_config.json": blob}, metrics={}, series=[]
        )
    _fall_silent(run)
    assert not work.execute(run_id=run.pk, worker="next")
    assert (_again(run).state, folder.exists()) == (TrainingState.CANCELLED, False)
    assert not Version.objects.exists()
    told = AuditEvent.objects.filter(action__startswith="training.").count()
    training_runs.cancel(run=_again(run), user=avatar.owner, actor=actor_of(avatar.owner))
    assert AuditEvent.objects.filter(action__startswith="training.").count() == told


def test_what_ended_by_itself_can_not_be_cancelled() -> None:
    avatar = make.avatar()
    run = make.start(avatar)
    assert attempts.begin(run_id=run.pk, worker="here") == 1
    attempts.fail(run_id=run.pk, attempt=1, error="no room")
    with pytest.raises(Conflict):
        training_runs.cancel(run=_again(run), user=avatar.owner, actor=actor_of(avatar.owner))


def test_others_can_not_cancel_and_operators_can() -> None:
    run = make.start(make.avatar())
    other, operator = accounts.engineer(), accounts.user(Role.OPERATOR)
    with pytest.raises(Forbidden):
        training_runs.cancel(run=run, user=other, actor=actor_of(other))
    training_runs.cancel(run=run, user=operator, actor=actor_of(operator), reason="no room")
    assert _again(run).state == TrainingState.CANCELLED
    finished = AuditEvent.objects.get(action="training.finished")
    assert '"reason":"no room"' in finished.body


def test_states_follow_the_table_A45() -> None:
    final = {TrainingState.COMPLETED, TrainingState.FAILED, TrainingState.CANCELLED}
    assert set(TrainingState) - set(TRAINING_MOVES) == final
    run = make.start(make.avatar())
    seen = [_again(run).state]
    attempts.begin(run_id=run.pk, worker="here")
    seen.append(_again(run).state)
    attempts.fail(run_id=run.pk, attempt=1, error="The loss is no number any more at step 3.")
    seen.append(_again(run).state)
    assert seen == ["queued", "running", "failed"]
    assert selectors.message(_again(run)).endswith("no number any more at step 3.")
    assert selectors.counts() | {"failed": 1} == selectors.counts()


def test_the_sweep_removes_what_runs_that_are_over_left_behind(training_folder: Path) -> None:
    run = make.start(make.avatar())
    attempts.begin(run_id=run.pk, worker="here")
    kept = training_folders.folder_of(run)
    stray = kept.with_name("123e4567-e89b-12d3-a456-426614174000")
    foreign = kept.with_name("notes of somebody")
    for folder in (kept, stray, foreign):
        folder.mkdir(parents=True)
    assert training_folders.sweep() == 1
    assert (kept.exists(), stray.exists(), foreign.exists()) == (True, False, True)
    attempts.fail(run_id=run.pk, attempt=1, error="no")
    assert training_folders.sweep() == 1
    assert not kept.exists()
    foreign.rmdir()


def test_what_a_caller_of_the_contract_is_told_A70() -> None:
    avatar = make.avatar()
    run = make.start(avatar)
    told = selectors.result(run)
    assert set(told) == {
        "success",
        "training_duration",
        "training_files",
        "training_params",
        "model_metrics",
        "final_loss",
        "steps_completed",
        "message",
    }
    assert (told["success"], told["steps_completed"], told["final_loss"]) == (False, 0, None)
    assert sorted(told["training_files"]) == sorted(avatar.files.values_list("name", flat=True))
    assert told["training_params"] == {**run.parameters, "seed": run.seed}
    attempts.begin(run_id=run.pk, worker="here")
    attempts.touch(run_id=run.pk, attempt=1, step=3, steps=6, series=[(3, 1.25)], checkpoint_step=0)
    told = selectors.result(_again(run))
    assert (told["steps_completed"], told["final_loss"]) == (3, 1.25)
    assert told["training_duration"] > 0
    assert told["message"] == "The training is at step 3 of 6."


def test_progress_is_told_from_the_row_A39() -> None:
    run = make.start(make.avatar())
    assert selectors.progress(run).percent == 0.0
    attempts.begin(run_id=run.pk, worker="here")
    attempts.touch(
        run_id=run.pk, attempt=1, step=3, steps=12, series=[(1, 3.0), (3, 2.0)], checkpoint_step=2
    )
    found = selectors.progress(_again(run))
    assert (found.step, found.steps, found.percent, found.loss) == (3, 12, 25.0, 2.0)
    assert (found.epoch, found.epochs) == (2, 4)
    assert found.seconds_left is not None and found.seconds_left >= 0


def test_a_request_reaches_the_trainers_queue_and_the_sweep_repeats_it(
    django_capture_on_commit_callbacks: Any,
) -> None:
    assert tasks.train.name in app.tasks
    with app.connection_for_read() as connection:
        client = connection.default_channel.client
        client.delete("training")
        with django_capture_on_commit_callbacks(execute=True):
            run = make.start(make.avatar())
        assert client.llen("training") == 1
        cache.delete(f"training-nudged:{run.pk}")
        for _ in range(2):
            assert work.sweep() == 1
        assert client.llen("training") == 2, "the second sweep comes too soon after the first"
        attempts.begin(run_id=run.pk, worker="here")
        cache.delete(f"training-nudged:{run.pk}")
        work.sweep()
        assert client.llen("training") == 2, "a run that a worker beats for is left alone"
        client.delete("training")
