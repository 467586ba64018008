"""Trainings through HTTP: asked for, read, watched, cancelled, and by whom."""

import asyncio
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from config.accounts.roles import Role
from registry import training_selectors as selectors
from registry.models import Avatar, TrainingRun
from registry.services import training_attempts as attempts
from registry.services import training_work as work
from tests.factories import accounts
from tests.factories import training as make

RUNS = "/api/v1/training-runs"
TOLD = {"step": 2, "steps": 8, "series": [(1, 3.5), (2, 2.5)], "checkpoint_step": 2}


def _begun() -> TrainingRun:
    run = make.start(make.avatar())
    attempts.begin(run_id=run.pk, worker="here")
    attempts.touch(run_id=run.pk, attempt=1, **TOLD)  # type: ignore[arg-type]
    return selectors.runs().get(pk=run.pk)


def _events(client: APIClient, path: str, **headers: str) -> list[dict[str, Any]]:
    """The events of a stream that ends."""
    answer = client.get(path, headers={"Accept": "text/event-stream", **headers})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    found = []
    for block in asyncio.run(_whole(answer)).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


async def _whole(answer: Any) -> str:
    return b"".join([piece async for piece in answer.streaming_content]).decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("training")
def test_upload_flag_train_and_download_through_http_A3_A31(training_folder: Path) -> None:
    make.base_model()
    ada = accounts.engineer()
    client = accounts.client_of(ada)
    data = f"/training-data/{ada.username}/desk"
    adapter = f"/adapters/{ada.username}/desk"
    files = {**make.texts(3), "spare.txt": b"This one is not for training."}
    sent = client.post(
        f"{data}/upload?use_for_training=true",
        {"files": [_upload(name, text) for name, text in files.items()]},
        format="multipart",
    )
    assert sent.status_code == 200, sent.content
    flag = client.put(f"{data}/spare.txt/training-flag", {"use_for_training": False})
    assert flag.status_code == 200
    assert client.post(f"{adapter}/create").status_code in {200, 201}
    asked = client.post(f"{adapter}/train", {**make.QUICK, "num_epochs": 1})
    assert asked.status_code == 202, asked.content
    run = TrainingRun.objects.get()
    assert asked["Location"] == f"{RUNS}/{run.uuid}"
    assert run.parameters["num_epochs"] == 1
    assert len(run.data) == 3
    make.scan(Avatar.objects.get())
    with make.when_joined() as joined:
        trainer = threading.Thread(target=_train, args=(run.pk, joined), daemon=True)
        trainer.start()
        again = client.post(f"{adapter}/train?wait=60", {**make.QUICK, "num_epochs": 1})
    trainer.join(60)
    assert again.status_code == 200, again.content
    told = again.json()
    assert (told["success"], told["steps_completed"]) == (True, 2)
    assert sorted(told["training_files"]) == sorted(make.texts(3))
    assert told["final_loss"] == told["model_metrics"]["final_loss"]
    assert client.get(f"{adapter}/info").json()["status"] == "trained"
    got = client.get(adapter)
    body = got.getvalue() if hasattr(got, "getvalue") else b"".join(got.streaming_content)
    names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    assert {"adapter_config.json", "adapter_model.safetensors", "training.json"} <= set(names)


def _upload(name: str, text: bytes) -> io.BytesIO:
    stream = io.BytesIO(text)
    stream.name = name
    return stream


def _train(run_id: int, joined: threading.Event) -> None:
    assert joined.wait(60)
    work.execute(run_id=run_id, worker="here")
    connection.close()


@pytest.mark.django_db
def test_a_run_is_read_and_listed_by_whom_it_concerns_A45() -> None:
    run = _begun()
    client = accounts.client_of(run.requested_by)
    told = client.get(f"{RUNS}/{run.uuid}").json()
    assert (told["state"], told["attempt"], told["adapter"]) == ("running", 1, run.adapter.ref)
    assert told["progress"]["percent"] == 25.0
    assert told["series"] == [[1.0, 3.5], [2.0, 2.5]]
    assert [row["sha256"] for row in told["data"]] == [row["sha256"] for row in run.data]
    assert "notes-0" not in json.dumps(told), "names of files may tell of patients"
    other = accounts.client_of(accounts.engineer())
    assert [row["uuid"] for row in client.get(RUNS).json()["results"]] == [told["uuid"]]
    assert other.get(RUNS).json()["results"] == []
    for path in ("", "/events"):
        answer = other.get(f"{RUNS}/{run.uuid}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "training-run-not-found")
    assert other.post(f"{RUNS}/{run.uuid}/cancel").status_code == 404
    operator = accounts.client_of(accounts.user(Role.OPERATOR))
    assert len(operator.get(RUNS).json()["results"]) == 1
    assert APIClient().get(RUNS).status_code == 401


@pytest.mark.django_db
def test_cancelling_through_http() -> None:
    run = _begun()
    auditor = accounts.client_of(accounts.user(Role.COMPLIANCE_OFFICER))
    assert auditor.post(f"{RUNS}/{run.uuid}/cancel").status_code == 403
    client = accounts.client_of(run.requested_by)
    assert client.post(f"{RUNS}/{run.uuid}/cancel", {"reason": [1]}).status_code == 400
    for _ in range(2):
        answer = client.post(f"{RUNS}/{run.uuid}/cancel", {"reason": "wrong files"})
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelling")
    assert attempts.end_cancelled(run_id=run.pk, attempt=1)
    answer = client.post(f"{RUNS}/{run.uuid}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


@pytest.mark.django_db(transaction=True)
def test_a_run_is_watched_as_it_moves_A39_A58() -> None:
    run = _begun()
    client = accounts.client_of(run.requested_by)
    client.get(RUNS)  # the token's time of use is written once a minute
    seen: list[dict[str, Any]] = []

    def watch() -> None:
        seen.extend(_events(client, f"{RUNS}/{run.uuid}/events"))
        connection.close()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    later = {**TOLD, "step": 8, "series": [*TOLD["series"], (8, 1.5)]}  # type: ignore[misc]
    attempts.touch(run_id=run.pk, attempt=1, **later)  # type: ignore[arg-type]
    attempts.fail(run_id=run.pk, attempt=1, error="The loss is no number any more at step 9.")
    watcher.join(20)
    assert [event["event"] for event in seen][-1] == "end"
    points = [point for event in seen for point in event["data"]["points"]]
    assert points == [[1, 3.5], [2, 2.5], [8, 1.5]]
    assert seen[-1]["data"]["state"] == "failed"
    assert seen[-1]["data"]["message"].endswith("no number any more at step 9.")
    resumed = _events(client, f"{RUNS}/{run.uuid}/events", **{"Last-Event-ID": "2"})
    assert [event["data"]["points"] for event in resumed] == [[[8, 1.5]]]
