"""Training by the contract's own path: its answers, its limit, and the whole way to a download."""

from datetime import timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import torch
from django.conf import settings
from django.db import connection
from django.test import override_settings

from compliance.services import training_scans
from config.core import clock
from registry.domain.packages import WEIGHTS_FILE
from registry.models import AvatarBackup, TrainingFile, TrainingRun
from registry.services import avatar_backups, training_runs, training_work
from registry.states import TrainingState
from tests.factories import accounts
from tests.factories import training as make
from tests.factories.at_once import at_once
from tests.registry.avatars.conftest import Caller, unzipped

SENT = {"learning_rate": 3e-4, "num_epochs": 2, "batch_size": 2}


@pytest.fixture
def anna(db: None) -> Caller:
    make.base_model()
    caller = Caller(accounts.engineer(username="anna"))
    assert caller.create().status_code == 200
    assert caller.upload(make.texts(), field="files").status_code == 200
    return caller


def _train(caller: Caller, query: str = "", **body: Any) -> Any:
    return caller.client.post(caller.adapter(f"/train{query}"), body, format="json")


def _cancel(caller: Caller) -> None:
    for run in TrainingRun.objects.filter(state=TrainingState.QUEUED):
        training_runs.cancel(run=run, user=caller.user, actor=make.SYSTEM)


@pytest.mark.django_db
def test_train_takes_its_parameters_as_json_A3(anna: Caller) -> None:
    answer = _train(anna, **SENT)
    assert answer.status_code == 202, answer.content
    run = TrainingRun.objects.get()
    assert run.parameters | SENT == run.parameters
    assert run.parameters["warmup_steps"] == 100
    said = answer.json()
    assert (said["status"], said["training_run"]) == ("training", str(run.uuid))
    assert answer["Location"] == said["job_url"] == f"/api/v1/training-runs/{run.uuid}"
    assert anna.client.get(said["job_url"]).status_code == 200
    assert anna.client.get(anna.adapter("/info")).json()["status"] == "training"
    assert _train(anna, **SENT).json()["training_run"] == str(run.uuid)
    assert _train(anna, num_epochs=3).status_code == 409


@pytest.mark.django_db
def test_parameters_that_make_no_sense_are_refused_by_name(anna: Caller) -> None:
    answer = _train(anna, learning_rate=-1, epochs=3)
    assert answer.status_code == 422
    assert {row["pointer"] for row in answer.json()["errors"]} == {"/learning_rate", "/epochs"}
    assert not TrainingRun.objects.exists()


@pytest.mark.django_db
def test_train_without_flagged_files_or_adapter_is_refused(anna: Caller) -> None:
    TrainingFile.objects.update(use_for_training=False)
    assert _train(anna).json()["code"] == "training-data-missing"
    answer = anna.client.post(anna.adapter("/train", "nobody"), {}, format="json")
    assert answer.status_code == 404


@pytest.mark.django_db
def test_trainings_are_limited_by_the_hour_A57(anna: Caller) -> None:
    with override_settings(TRAINING_RUNS_PER_HOUR=2):
        for number in range(2):
            assert _train(anna, seed=number).status_code == 202
            _cancel(anna)
        answer = _train(anna, seed=3)
        assert (answer.status_code, answer.json()["code"]) == (429, "training-limit-reached")
        assert 3500 < int(answer["Retry-After"]) <= 3600
        other = Caller(accounts.engineer(username="ben"))
        other.create()
        other.upload(make.texts(), field="files")
        assert _train(other).status_code == 202, "the limit is of an account"
        with clock.frozen_at(clock.now() + timedelta(seconds=3601)):
            assert _train(anna, seed=3).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_requests_at_one_moment() -> None:
    make.base_model()
    user = accounts.engineer(username="anna")
    callers = [Caller(user) for _ in range(4)]
    for number, caller in enumerate(callers):
        caller.create(f"avatar{number}")
        caller.upload(make.texts(1), f"avatar{number}")

    def act(index: int) -> int:
        caller = callers[index]
        place = caller.adapter("/train", f"avatar{index}")
        return int(caller.client.post(place, {}, format="json").status_code)

    with override_settings(TRAINING_RUNS_PER_HOUR=2):
        assert sorted(at_once(act, count=4)) == [202, 202, 429, 429]
    assert TrainingRun.objects.count() == 2


@pytest.mark.django_db
def test_a_failed_training_is_told_and_a_restore_mends_it_A47(anna: Caller) -> None:
    """Every answer has the fields and types that its serializer names; so must requests."""
    from registry.api import avatar_serializers as shapes

    _train(anna)
    TrainingRun.objects.update(
        state=TrainingState.FAILED, error="The base is gone.", finished_at=clock.now()
    )
    info = anna.client.get(anna.adapter("/info")).json()
    assert (info["status"], info["last_training"]["state"]) == ("training_failed", "failed")
    assert anna.client.post(anna.kept("restore"), {}, format="json").status_code == 200
    assert anna.client.get(anna.adapter("/info")).json()["status"] == "untrained"
    answers = {
        shapes.InfoSerializer: anna.client.get(anna.adapter("/info")),
        shapes.CreatedSerializer: anna.create(),
        shapes.FileListSerializer: anna.client.get(anna.data("list")),
        shapes.MetadataSerializer: anna.client.get(anna.data("metadata")),
        shapes.DownloadSerializer: anna.client.get(anna.data("download/notes-3.txt")),
        shapes.RecommendationsSerializer: anna.client.get(anna.data("training-recommendations")),
        shapes.ValidationSerializer: anna.client.get(anna.adapter("/validate-training-data")),
        shapes.BackupListSerializer: anna.client.get(anna.kept("backups")),
        shapes.PersistenceStatusSerializer: anna.client.get(anna.kept("status")),
        shapes.TrainingBegunSerializer: _train(anna),
    }
    assert _train(anna, num_epochs="three").status_code == 422
    place = anna.data("notes-3.txt/training-flag")
    assert anna.client.put(place, {"use_for_training": [1]}, format="json").status_code == 400
    wrong = anna.client.post(anna.kept("restore"), {"backup_id": "x"}, format="json")
    assert wrong.status_code == 400
    for shape, answer in answers.items():
        assert set(answer.json()) == set(shape().fields), shape.__name__
        typed = shape(data=answer.json())
        assert typed.is_valid(), f"{shape.__name__}: {typed.errors}"


@pytest.mark.django_db
def test_recommendations_are_of_the_flagged_files(anna: Caller) -> None:
    said = anna.client.get(anna.data("training-recommendations")).json()
    assert said["data_bytes"] == sum(len(text) for text in make.texts().values())
    assert said["recommendations"] == {
        "num_epochs": 5, "learning_rate": 1e-4, "batch_size": 2, "gradient_accumulation_steps": 8,
    }  # fmt: skip
    TrainingFile.objects.update(size_bytes=3 << 20)
    said = anna.client.get(anna.adapter("/training-recommendations")).json()
    assert said["recommendations"]["num_epochs"] == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("training")
def test_the_way_from_upload_to_download_A31(tmp_path: Path) -> None:
    """Upload, flag, train for real, wait for the result, find the backup, download the weights."""
    torch.set_num_threads(1)
    make.base_model()
    anna = Caller(accounts.engineer(username="anna"))
    anna.create(adapter_name="my_adapter")
    anna.upload(make.texts(3), field="files", query="?use_for_training=false")
    for name in make.texts(3):
        place = anna.data(f"{name}/training-flag")
        assert anna.client.put(f"{place}?use_for_training=true").status_code == 200
    short = {**make.QUICK, "num_epochs": 1}
    with override_settings(TRAINING_FOLDER=tmp_path / "training"):
        assert _train(anna, **short).status_code == 202
        run = TrainingRun.objects.get()

        looked = Queue[Any]()

        def act(index: int) -> Any:
            if index:
                with make.when_joined() as joined:
                    looked.put(joined)
                    return _train(anna, "?wait=60", **short)
            assert looked.get(timeout=60).wait(60)
            for file in TrainingFile.objects.all():
                training_scans.scan(file_id=file.pk)
            return training_work.execute(run_id=run.pk, worker="here")

        done = next(answer for answer in at_once(act, count=2) if answer is not True)
    said = done.json()
    assert done.status_code == 200, said
    assert said["success"] is True
    assert said["status"] == "trained"
    assert sorted(said["training_files"]) == sorted(make.texts(3))
    assert said["steps_completed"] > 0
    assert said["final_loss"] == pytest.approx(said["model_metrics"]["final_loss"])
    assert avatar_backups.back_up_trained() == 1
    assert avatar_backups.back_up_trained() == 0
    backup = AvatarBackup.objects.order_by("-pk")[0]
    run.refresh_from_db()
    assert (backup.reason, backup.version_id) == ("trained", run.version_id)
    assert WEIGHTS_FILE in unzipped(anna.client.get(anna.adapter()))
    connection.close()


@pytest.mark.django_db
def test_logs_and_audit_trail_tell_what_was_done_and_what_failed_A50(
    anna: Caller,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    from compliance.models import AuditEvent

    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is needed")
    store = settings.STORAGES["blobs"] | {"OPTIONS": {"location": blocked}}
    flag = {"use_for_training": False}
    with (
        override_settings(STORAGES=settings.STORAGES | {"blobs": store}),
        django_capture_on_commit_callbacks(execute=True),
    ):
        anna.client.put(anna.data("notes-3.txt/training-flag"), flag, format="json")
    logged = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    told = next(line for line in logged if line["event"] == "flags_file.not_written")
    assert told["error"] == "NotADirectoryError"
    assert told["object"].startswith("avatar ")
    anna.client.delete(anna.data("notes-3.txt"))
    anna.client.get(anna.adapter())
    anna.client.post(anna.kept("backup"))
    anna.client.post(anna.kept("restore"), {}, format="json")
    anna.client.delete(anna.adapter())
    acts = set(AuditEvent.objects.filter(actor_name="anna").values_list("action", flat=True))
    assert acts >= {
        "avatar.opened", "avatar.adapter_made", "avatar.backed_up", "avatar.downloaded",
        "avatar.restored", "avatar.deleted", "training_file.stored", "training_file.flagged",
        "training_file.deleted",
    }  # fmt: skip
