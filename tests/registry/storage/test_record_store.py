"""The mirror of records in DynamoDB."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.core import clock
from registry.domain.artifact_items import item_of, record_of
from registry.domain.artifacts import Record
from registry.models import Artifact, ModelRecord, RecordMirroring, StorageAlias
from registry.services import artifacts, record_store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(file_store: Any) -> None:
    """Bytes lie on a file system; this is about records."""


def _upload(client: APIClient, kind: str = "model", name: str = "bert-base") -> Any:
    return client.generic("POST", f"/artifact/{kind}", b"data", headers={"X-Model-Name": name})


def test_records_are_written_to_the_table_that_is_named_F53(client: APIClient, table: Any) -> None:
    aws, name = table
    answer = _upload(client).json()
    item = aws.get_item(TableName=name, Key={"name": {"S": "bert-base"}})["Item"]
    assert item["model_key"] == {"S": answer["s3_key"]}
    assert RecordMirroring.objects.count() == 0


def test_attributes_are_typed_as_strings_and_numbers_F58(client: APIClient, table: Any) -> None:
    aws, name = table
    _upload(client)
    item = aws.get_item(TableName=name, Key={"name": {"S": "bert-base"}})["Item"]
    assert {key: next(iter(typed)) for key, typed in item.items()} == {
        "name": "S", "size": "N", "license": "S", "model_key": "S", "code_key": "S",
        "dataset_key": "S", "scores": "S", "scores_latency": "S",
    }  # fmt: skip
    assert item["size"] == {"N": "4"}
    record = Record(
        name="m", size_bytes=7, scores={"Size": 0.5}, scores_latency_ms={"Size": 3}, code_key="c"
    )
    assert record_of(item_of(record)) == record


def test_records_are_got_by_name_F59(client: APIClient, table: Any) -> None:
    answer = _upload(client).json()
    mirror = record_store.mirror()
    assert mirror is not None
    found = mirror.get("bert-base")
    assert found is not None and found.to_dict() == answer["model"]
    assert mirror.get("unknown") is None


def test_a_failing_table_is_the_contracts_500_and_nothing_half_done_stays_F51(
    client: APIClient, table: Any, settings: Any
) -> None:
    first = _upload(client).json()
    settings.STORE = dataclasses.replace(settings.STORE, table="no-such-table")
    for name in ("bert-base", "a-new-one"):
        answer = _upload(client, name=name)
        assert (answer.status_code, answer.json()["error_code"]) == (500, "DYNAMODB_SAVE_ERROR")
    assert list(ModelRecord.objects.values_list("name", flat=True)) == ["bert-base"]
    assert Artifact.objects.get().key == StorageAlias.objects.get().key == first["s3_key"]
    kept = client.get("/artifacts/model/bert-base?metadata_only=1").json()
    assert kept["s3_key"] == first["s3_key"]


def test_a_change_that_was_cut_off_is_made_good_by_the_sweep(
    client: APIClient, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table took a record whose transaction then never was committed."""
    _aws, _name = table
    answer = _upload(client).json()
    mirror = record_store.mirror()
    assert mirror is not None
    mirror.put(Record(name="bert-base", model_key="model/bert-base/never-committed.pkl"))
    mirror.put(Record(name="never-committed"))
    hour_ago = clock.now() - timedelta(hours=1)
    for half_done in ("bert-base", "never-committed"):
        RecordMirroring.objects.create(name=half_done, since=hour_ago)
    assert artifacts.sweep_mirror() == 2
    found = mirror.get("bert-base")
    assert found is not None and found.model_key == answer["s3_key"]
    assert mirror.get("never-committed") is None
    assert RecordMirroring.objects.count() == 0


def test_a_record_that_is_being_written_is_left_to_its_writer(table: Any) -> None:
    RecordMirroring.objects.create(name="being-written")
    assert artifacts.sweep_mirror() == 0


def test_without_a_mirror_no_table_is_asked(client: APIClient, settings: Any) -> None:
    settings.STORE = dataclasses.replace(settings.STORE, table_endpoint_url="http://127.0.0.1:9")
    assert _upload(client).status_code == 200
    assert RecordMirroring.objects.count() == 0
