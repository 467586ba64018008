"""The contract on an S3 store, at the root, and under the server that streams."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import botocore.auth
import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.core import clock
from registry.domain.packages import WEIGHTS_FILE
from registry.models import AvatarBackup, TrainingFile
from tests.factories import accounts
from tests.factories import registry as make
from tests.registry.avatars.conftest import NOTE, Caller, trained, unzipped
from tests.registry.storage.conftest import (
    Bucket,
    bucket,
    checking_bucket,
    contract_bucket,
    nanio,
)

__all__ = ["bucket", "checking_bucket", "contract_bucket", "nanio"]
HOME = "users/anna/avatars/nina/adapters/"


@pytest.mark.django_db
def test_everything_lies_in_the_bucket_where_the_contract_says(
    anna: Caller, contract_bucket: Bucket, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        anna.create()
        anna.upload({"a.txt": NOTE, "b.json": b'["x"]'})
        version = trained(anna)
        anna.client.post(anna.kept("backup"))
    assert json.loads(contract_bucket.read(f"{HOME}metadata/metadata.json")) == {
        "a.txt": True, "b.json": True,
    }  # fmt: skip
    assert contract_bucket.read(f"{HOME}adapter_backup.zip")[:2] == b"PK"
    row = TrainingFile.objects.select_related("blob").get(name="a.txt")
    assert b"Jane" not in contract_bucket.read(row.blob.key)
    url = anna.client.get(anna.data("download/a.txt")).json()["download_url"]
    assert b"".join(APIClient().get(url).streaming_content) == NOTE
    assert WEIGHTS_FILE in unzipped(anna.client.get(anna.adapter()))
    answer = anna.client.post(anna.kept("restore"), {}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["version"] == version.version_name
    status = anna.client.get(anna.kept("status")).json()
    assert (status["s3_status"], status["store"]["is_writable"]) == ("connected", True)
    with django_capture_on_commit_callbacks(execute=True):
        assert anna.client.delete(anna.adapter()).status_code == 200
    assert not [key for key in contract_bucket.listed() if key.startswith("users/")]


@pytest.mark.django_db
def test_a_backups_address_is_signed_by_the_store_and_its_bytes_are_the_backup(
    anna: Caller, checking_bucket: Bucket
) -> None:
    anna.create()
    backup = anna.client.get(anna.kept("backups")).json()["backups"][0]
    answer = httpx.get(backup["download_url"])
    assert answer.status_code == 200
    assert answer.content == checking_bucket.read(AvatarBackup.objects.get().blob.key)
    changed = backup["download_url"].replace("X-Amz-Expires=3600", "X-Amz-Expires=7200")
    assert changed != backup["download_url"]
    assert httpx.get(changed).status_code == 403


@pytest.mark.django_db
def test_a_backups_address_ends_when_it_says_and_is_audited(
    anna: Caller, checking_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna.create()
    made = anna.client.post(anna.kept("backup"), headers={"Idempotency-Key": "one-act"})
    listed = anna.client.get(anna.kept("backups"))
    newest = listed.json()["backups"][0]
    for answer, url in (
        (made, made.json()["backup"]["download_url"]),
        (listed, newest["download_url"]),
    ):
        assert answer["Cache-Control"] == "no-store"
        assert httpx.get(url).status_code == 200

    def signed_before(minutes: int) -> Any:
        """Signed as if so long ago."""
        moment = clock.now() - timedelta(minutes=minutes)
        with monkeypatch.context() as patched, clock.frozen_at(moment):
            naive = moment.replace(tzinfo=None)
            patched.setattr(botocore.auth, "get_current_datetime", lambda: naive)
            return anna.client.get(anna.kept("backups")).json()["backups"][0]

    for minutes, status in ((59, 200), (61, 403)):
        row = signed_before(minutes)
        assert httpx.get(row["download_url"]).status_code == status
        assert (datetime.fromisoformat(row["expires_at"]) > clock.now()) == (status == 200)
    events = AuditEvent.objects.filter(action="blob.url_signed").order_by("pk")
    assert [json.loads(event.body)["diff"]["addresses"][1] for event in events] == [1, 2, 2, 2]
    assert all("X-Amz" not in event.body for event in events)


@pytest.mark.django_db
def test_a_store_that_refuses_is_no_fault_of_ours_and_create_makes_up_for_it(
    anna: Caller, bucket: Bucket
) -> None:
    bucket.client.delete_bucket(Bucket=bucket.name)
    for answer in (anna.create(), anna.upload({"a.txt": NOTE}), anna.create()):
        assert (answer.status_code, answer.json()["code"]) == (503, "store-away")
        assert answer["Retry-After"]
    bucket.client.create_bucket(Bucket=bucket.name)
    for _ in range(2):
        assert anna.create().json()["status"] == "existing"
    listed = anna.client.get(anna.kept("backups")).json()
    assert [backup["backup_type"] for backup in listed["backups"]] == ["created"]


@pytest.mark.django_db
def test_on_a_file_system_no_address_is_invented(anna: Caller) -> None:
    anna.create()
    backup = anna.client.get(anna.kept("backups")).json()["backups"][0]
    assert backup["download_url"] is None


@pytest.mark.django_db
def test_the_documents_own_calls_work_at_the_root_as_they_are_written(db: None) -> None:
    make.base_model()
    caller = Caller(accounts.engineer(username="anna"), mount="")
    created = caller.client.post("/adapters/anna/nina/create?adapter_name=my_adapter")
    assert created.json()["status"] == "created"
    uploaded = caller.upload({"notes.txt": NOTE}, query="?use_for_training=true")
    assert uploaded.status_code == 200
    body = {"learning_rate": 2e-4, "num_epochs": 3, "batch_size": 4}
    answer = caller.client.post("/adapters/anna/nina/train", body, format="json")
    assert answer.status_code == 202
    assert answer.json()["status"] == "training"
    zipped = caller.client.get("/adapters/anna/nina")
    assert zipped["Content-Type"] == "application/zip"
    assert json.loads(zipped["X-Adapter-Metadata"])["adapter_name"] == "my_adapter"
    unzipped(zipped)
    listed = caller.client.get("/training-data/anna/nina/list?training_only=true").json()
    assert [file["file_name"] for file in listed["files"]] == ["notes.txt"]
    assert caller.client.get("/persistence/adapters/status/nina").status_code == 200
    assert caller.client.delete("/training-data/anna/nina/non-training-files").status_code == 200
    for path in ("/adapters/anna/nina/", "/training-data/anna/nina/list/"):
        answer = caller.client.get(path)
        assert (answer.status_code, "detail" in answer.json()) == (404, True), path


@pytest.mark.django_db(transaction=True)
def test_the_streaming_server_sends_the_same_bytes() -> None:
    make.base_model()
    anna = Caller(accounts.engineer(username="anna"))
    anna.create()
    anna.upload({"a.txt": NOTE * 5000})
    trained(anna)
    url = anna.client.get(anna.data("download/a.txt")).json()["download_url"]
    token = anna.client._credentials["HTTP_AUTHORIZATION"]

    async def read(path: str) -> tuple[Any, bytes]:
        answer = await AsyncClient().get(path, headers={"authorization": token})
        return answer, b"".join([piece async for piece in answer.streaming_content])

    async def both() -> Any:
        found = await read(anna.adapter()), await read(url.partition("testserver")[2])
        await sync_to_async(connections.close_all)()
        return found

    (zipped, data), (text_answer, text) = asyncio.run(both())
    assert (zipped.status_code, text_answer.status_code) == (200, 200)
    wanted = b"".join(anna.client.get(anna.adapter()).streaming_content)
    assert len(data) == len(wanted)
    assert text == NOTE * 5000
