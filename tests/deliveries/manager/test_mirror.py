"""The mirror of metadata in an object store."""

import hashlib
import json
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from celery import current_app
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import transaction
from rest_framework.test import APIClient

from config.celery import app
from config.core.actors import SYSTEM
from deliveries.models import LoraEntry
from deliveries.selectors.entries import unsettled_ids
from deliveries.services import settling
from deliveries.services.metadata_sync import sync_all
from tests.deliveries.manager.conftest import (
    ACCOUNT,
    SECRET,
    Register,
    Store,
    Validator,
    settled,
)
from tests.factories import accounts

pytestmark = pytest.mark.django_db
PATH = "/manager/adapters"


def documents(store: Store, settings: Any) -> dict[str, Any]:
    """Key → document, as a reader outside sees the bucket."""
    bucket = settings.METADATA_BUCKET
    return {key: store.json(bucket, key) for key in store.keys(bucket)}


def waiting(queue: str = settling.QUEUE) -> list[int]:
    """Takes what waits for the workers out of the queue: the entries that are to be settled."""
    found = []
    with current_app.connection_for_write() as connection:
        simple = connection.SimpleQueue(queue)
        while True:
            try:
                message = simple.get(block=False)
            except simple.Empty:
                return found
            message.ack()
            if message.headers["task"] == settling.TASK:
                found.append(message.payload[0][0])


def test_files_stay_local_while_their_metadata_is_mirrored_L31(
    register: Register, mirroring: Store, settings: Any
) -> None:
    adapter = register("one")
    settled(adapter["id"])
    assert Path(adapter["file_path"]).read_bytes() == b"one" * 10
    [document] = documents(mirroring, settings).values()
    assert document["file_path"] == adapter["file_path"]
    assert mirroring.keys(settings.METADATA_BUCKET) == [f"metadata/{adapter['id']}.json"]


def test_every_change_is_mirrored_where_mirroring_is_on_L33(
    client: APIClient, register: Register, store: Store, settings: Any
) -> None:
    silent = register("silent")
    settled(silent["id"])
    assert documents(store, settings) == {}
    settings.METADATA_SYNC = True
    adapter = register("one")
    settled(adapter["id"])
    key = f"metadata/{adapter['id']}.json"
    assert documents(store, settings)[key]["name"] == "one"
    client.patch(f"{PATH}/{adapter['id']}", {"name": "two", "tags": ["a"]})
    assert unsettled_ids() == [row.pk for row in LoraEntry.objects.order_by("pk")]
    settled(adapter["id"])
    settled(silent["id"])
    found = documents(store, settings)
    assert (found[key]["name"], found[key]["tags"]) == ("two", ["a"])
    assert len(found) == 2
    assert unsettled_ids() == []


def test_the_mirror_lies_in_the_bucket_that_is_named_L35(
    register: Register, mirroring: Store, settings: Any
) -> None:
    first, settings.METADATA_BUCKET = settings.METADATA_BUCKET, f"{settings.METADATA_BUCKET}-two"
    mirroring.s3.create_bucket(Bucket=settings.METADATA_BUCKET)
    settled(register("one")["id"])
    assert mirroring.keys(first) == []
    assert len(mirroring.keys(settings.METADATA_BUCKET)) == 1


def test_a_bucket_that_is_not_there_is_told_and_tried_again(
    register: Register, loose_store: Store, settings: Any
) -> None:
    settings.METADATA_SYNC = True
    settings.METADATA_BUCKET = f"{settings.METADATA_BUCKET}-two"
    entry = settled(register("one")["id"])
    assert (entry.mirrored_revision, entry.mirror_error) == (0, "There is no such bucket.")
    assert unsettled_ids() == [entry.pk]
    loose_store.s3.create_bucket(Bucket=settings.METADATA_BUCKET)
    entry = settled(str(entry.uuid))
    assert (entry.mirrored_revision, entry.mirror_error) == (1, "")


@pytest.mark.parametrize(
    ("prefix", "start"), [("metadata", "metadata/"), ("a/b", "a/b/"), ("/a/", "a/"), ("", "")]
)
def test_the_keys_begin_with_the_prefix_L36(
    register: Register, strict_store: Store, settings: Any, prefix: str, start: str
) -> None:
    settings.METADATA_SYNC = True
    settings.METADATA_PREFIX = prefix
    entry = settled(register("one")["id"])
    assert strict_store.keys(settings.METADATA_BUCKET) == [f"{start}{entry.uuid}.json"]


def test_the_key_is_made_of_prefix_and_id_L46(
    register: Register, mirroring: Store, settings: Any
) -> None:
    ids = [register(name)["id"] for name in ("one", "two")]
    for each in ids:
        settled(each)
    found = documents(mirroring, settings)
    assert {key: document["id"] for key, document in found.items()} == {
        f"metadata/{each}.json": each for each in ids
    }


def test_the_connection_goes_with_the_account_that_is_named_L39(
    register: Register, strict_store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METADATA_SYNC = True
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    entry = settled(register("one")["id"])
    assert (entry.mirrored_revision, bool(entry.mirror_error)) == (0, True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    assert settled(str(entry.uuid)).mirrored_revision == 1


def test_the_connection_is_signed_with_the_secret_that_is_set_L40(
    register: Register, strict_store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METADATA_SYNC = True
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a wrong secret")
    entry = settled(register("one")["id"])
    assert (entry.mirrored_revision, bool(entry.mirror_error)) == (0, True)
    assert strict_store.keys(settings.METADATA_BUCKET) == []
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert settled(str(entry.uuid)).mirrored_revision == 1


def test_the_mirror_is_written_after_the_commit_L45(
    register: Register, mirroring: Store, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    waiting()
    with django_capture_on_commit_callbacks(execute=True):
        register("one")
        assert waiting() == []
        assert documents(mirroring, settings) == {}
    assert waiting() == [LoraEntry.objects.get().pk]
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        register("two")
        transaction.set_rollback(True)
    assert waiting() == []
    settings.REDIS_URL = ""  # a single process has no worker: it does it itself, after the commit
    with django_capture_on_commit_callbacks(execute=True):
        register("three")
        assert documents(mirroring, settings) == {}
    assert [each["name"] for each in documents(mirroring, settings).values()] == ["three"]


def test_mirroring_again_overwrites_the_same_key_L47(
    client: APIClient, register: Register, mirroring: Store, settings: Any
) -> None:
    adapter = register("one")
    for weight in (1, 2, 3):
        client.patch(f"{PATH}/{adapter['id']}", {"weight": weight, "tags": [str(weight)]})
        settled(adapter["id"])
        settled(adapter["id"])
    [document] = documents(mirroring, settings).values()
    assert document["tags"] == ["3"]


def test_a_deleted_entry_leaves_the_mirror(
    client: APIClient, register: Register, mirroring: Store, settings: Any
) -> None:
    adapter, never = register("one"), register("never mirrored")
    settled(adapter["id"])
    for each in (adapter, never):
        assert client.delete(f"{PATH}/{each['id']}").status_code == 204
    gone = LoraEntry.objects.get(uuid=adapter["id"])
    assert unsettled_ids() == [gone.pk]
    settled(adapter["id"])
    assert documents(mirroring, settings) == {}
    assert unsettled_ids() == []


def test_readers_outside_need_nothing_but_the_store_L49(
    register: Register, mirroring: Store, settings: Any
) -> None:
    expected = {}
    for name in ("one", "two"):
        adapter = register(name, tags=["style:anime"])
        settled(adapter["id"])
        expected[adapter["id"]] = (name, adapter["sha256"], adapter["file_path"])
    answer = mirroring.s3.head_object(
        Bucket=settings.METADATA_BUCKET, Key=f"metadata/{next(iter(expected))}.json"
    )
    assert answer["ContentType"] == "application/json"
    found = documents(mirroring, settings).values()
    assert {each["id"]: (each["name"], each["sha256"], each["file_path"]) for each in found} == (
        expected
    )


def test_the_document_says_what_it_should_and_no_more_L54_L55_L56_L57_L58_L59_L60_L61(
    client: APIClient, register: Register, mirroring: Store, settings: Any
) -> None:
    tags = ["style:anime", "resolution:512"]
    preview = "https://cdn.example/preview/1.png"
    adapter = register("one", tags=tags, preview_url=preview)
    # Made long ago and changed just now.
    LoraEntry.objects.update(created_at=datetime(2020, 2, 29, 4, 5, 6, 789, tzinfo=UTC))
    assert client.patch(f"{PATH}/{adapter['id']}", {"weight": 0.5}).status_code == 200
    settled(adapter["id"])
    [document] = documents(mirroring, settings).values()
    data = Path(adapter["file_path"]).read_bytes()
    assert document == {
        "id": adapter["id"],
        "name": "one",
        "file_path": adapter["file_path"],
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "tags": tags,
        "created_at": "2020-02-29T04:05:06Z",
        "preview_url": preview,
    }


def test_a_remote_files_path_is_its_whole_address_L56(
    client: APIClient, remote: Store, settings: Any
) -> None:
    settings.METADATA_SYNC = True
    path = f"s3://loras/{uuid.uuid4().hex}/One.safetensors"
    remote.s3.put_object(Bucket="loras", Key=path.removeprefix("s3://loras/"), Body=b"weights")
    made = client.post(PATH, {"name": "one", "file_path": path})
    settled(made.json()["adapter"]["id"])
    [document] = documents(remote, settings).values()
    assert document["file_path"] == path


def test_the_mirror_holds_no_secret_L50(
    client: APIClient, register: Register, mirroring: Store, validator: Validator, settings: Any
) -> None:
    settings.CIVITAI_API_KEY = "civitai-key-123"
    inside = f"s3://{settings.METADATA_BUCKET}/preview.png"
    settled(register("one", preview_url=inside)["id"])
    text = json.dumps(list(documents(mirroring, settings).values()))
    token = str(client._credentials["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")  # type: ignore[attr-defined]
    for secret in (SECRET, settings.CIVITAI_API_KEY, token, settings.SECRET_KEY, accounts.PASSWORD):
        assert secret not in text
    body = json.dumps([asked for _, asked in validator.asked])
    assert validator.asked and SECRET not in body and settings.CIVITAI_API_KEY not in body
    adapter = LoraEntry.objects.get()
    for address in ("https://u:pw@cdn.example/1.png", "https://cdn.example/1.png?sig=abc"):
        refused = client.patch(f"{PATH}/{adapter.uuid}", {"preview_url": address})
        assert refused.status_code == 400, address


def test_previews_have_signed_addresses_that_end_L51(
    client: APIClient, register: Register, strict_store: Store, settings: Any
) -> None:
    settings.METADATA_SYNC = True
    settings.METADATA_PREVIEW_SECONDS = 120
    bucket = settings.METADATA_BUCKET
    strict_store.s3.put_object(Bucket=bucket, Key="p/1.png", Body=b"picture")
    adapter = register("one", preview_url=f"s3://{bucket}/p/1.png")
    settled(adapter["id"])
    document = strict_store.json(bucket, f"metadata/{adapter['id']}.json")
    for address in (document["preview_url"], adapter["preview_url"]):
        assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == ["120"]
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == b"picture"
        for forged in (address.partition("?")[0], address.replace("1.png", "2.png")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(forged)
            assert refused.value.code == 403


def test_without_an_account_to_sign_with_the_list_still_answers(
    client: APIClient, register: Register, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    address = f"s3://{settings.METADATA_BUCKET}/p/1.png"
    register("one", preview_url=address)
    assert client.get(PATH).json()["items"][0]["preview_url"] == address


def test_a_store_that_is_away_is_tried_again_later(
    register: Register, mirroring: Store, settings: Any
) -> None:
    endpoint, settings.METADATA_S3_ENDPOINT = settings.METADATA_S3_ENDPOINT, "http://127.0.0.1:1"
    entry = settled(register("one")["id"])
    assert "does not answer" in entry.mirror_error
    assert unsettled_ids() == [entry.pk]
    settings.METADATA_S3_ENDPOINT = endpoint
    assert settled(str(entry.uuid)).mirror_error == ""
    assert len(documents(mirroring, settings)) == 1


def test_workers_know_the_tasks_and_beat_finds_what_was_lost(
    register: Register, mirroring: Store, settings: Any
) -> None:
    app.loader.import_default_modules()
    entry = LoraEntry.objects.get(uuid=register("one")["id"])
    waiting()  # the message is lost
    app.tasks[app.conf.beat_schedule["sweep-entries"]["task"]]()
    assert waiting() == [entry.pk]
    app.tasks[settling.TASK](entry.pk)
    assert len(documents(mirroring, settings)) == 1
    app.tasks[app.conf.beat_schedule["sweep-entries"]["task"]]()
    assert waiting() == []


def test_one_worker_at_a_time_is_at_an_entry(
    register: Register, mirroring: Store, settings: Any
) -> None:
    entry = LoraEntry.objects.get(uuid=register("one")["id"])
    lock = f"entry-settling:{entry.pk}"
    cache.add(lock, 1, timeout=60)  # as another worker has it
    assert settled(str(entry.uuid)).mirrored_revision == 0
    cache.delete(lock)
    assert settled(str(entry.uuid)).mirrored_revision == 1
    assert cache.get(lock) is None


def test_one_command_mirrors_everything_L53(
    client: APIClient, register: Register, store: Store, settings: Any
) -> None:
    one, two = register("one"), register("two", tags=["a"])
    gone = register("gone")
    client.delete(f"{PATH}/{gone['id']}")
    looked = StringIO()
    call_command("sync_metadata", "--dry-run", stdout=looked)
    assert "one: would mirror" in looked.getvalue()
    assert documents(store, settings) == {}
    Path(two["file_path"]).write_bytes(b"other bytes")
    told = StringIO()
    call_command("sync_metadata", stdout=told)
    assert "2 entries, 0 failed" in told.getvalue()
    found = {each["name"]: each for each in documents(store, settings).values()}
    assert set(found) == {"one", "two"}
    assert found["one"]["sha256"] == one["sha256"]
    assert found["two"]["sha256"] == hashlib.sha256(b"other bytes").hexdigest()
    assert client.get(f"{PATH}/{two['id']}").json()["adapter"]["size_bytes"] == 11
    Path(one["file_path"]).unlink()
    for arguments in ([], ["--dry-run"]):
        told = StringIO()
        with pytest.raises(CommandError, match="1 of 2"):
            call_command("sync_metadata", *arguments, stdout=told)
        assert "one: FAILED There is no file" in told.getvalue()


def test_what_changes_while_everything_is_mirrored_is_not_put_back(
    client: APIClient, register: Register, mirroring: Store, settings: Any
) -> None:
    ids = [register(name)["id"] for name in ("first", "changed", "deleted")]
    for each in ids:
        settled(each)
    syncing = sync_all(is_dry_run=False, actor=SYSTEM)
    assert next(syncing).entry.name == "first"
    client.patch(f"{PATH}/{ids[1]}", {"tags": ["new"]})
    client.delete(f"{PATH}/{ids[2]}")
    for each in ids:
        settled(each)
    assert [synced.error for synced in syncing] == ["", ""]
    found = {each["name"]: each["tags"] for each in documents(mirroring, settings).values()}
    assert found == {"first": [], "changed": ["new"]}
    assert unsettled_ids() == []
