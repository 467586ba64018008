"""Keys under which clients know bytes, in the database and in the bucket."""

import dataclasses
import io
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.core import clock
from registry.models import StorageAlias
from registry.services import blobs, storage_aliases
from registry.storage_errors import KeyInvalid, KeyNotFound

from .conftest import Bucket

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "a/../b", "./a", "sha256/aa/bb", "incoming/x", "a\nb", "x" * 1001],
)
def test_keys_that_no_object_may_have_are_refused(file_store: Any, key: str) -> None:
    blob = blobs.store(io.BytesIO(b"x"))
    with pytest.raises(KeyInvalid):
        storage_aliases.assign(key, blob)


def test_a_key_is_moved_and_given_up(file_store: Any) -> None:
    old, new = blobs.store(io.BytesIO(b"old")), blobs.store(io.BytesIO(b"new"))
    storage_aliases.assign("metadata/a.json", old)
    storage_aliases.assign("metadata/a.json", new)
    assert storage_aliases.get("metadata/a.json") == new
    assert storage_aliases.give_up("metadata/a.json", "unknown") == 1
    with pytest.raises(KeyNotFound):
        storage_aliases.get("metadata/a.json")


def test_the_answers_key_names_an_object_for_outside_readers(
    client: APIClient, contract_bucket: Bucket, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        headers = {"X-Model-Name": "m", "Content-Type": "application/zip"}
        answer = client.generic(
            "POST", "/artifact/model", b"zipped", content_type="application/zip", headers=headers
        ).json()
    found = contract_bucket.client.get_object(Bucket=contract_bucket.name, Key=answer["s3_key"])
    assert found["Body"].read() == b"zipped"
    assert found["ContentType"] == "application/zip"


def test_with_the_usual_layout_objects_lie_under_digests_alone(
    client: APIClient, bucket: Bucket, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        client.generic("POST", "/artifact/model", b"x", headers={"X-Model-Name": "m"})
    assert all(key.startswith("sha256/") for key in bucket.listed())
    assert StorageAlias.objects.count() == 1


def test_moves_and_ends_of_keys_reach_the_bucket(
    contract_bucket: Bucket, django_capture_on_commit_callbacks: Any
) -> None:
    old, new = blobs.store(io.BytesIO(b"old")), blobs.store(io.BytesIO(b"new"))
    for blob in (old, new):
        with django_capture_on_commit_callbacks(execute=True):
            storage_aliases.assign("metadata/a.json", blob)
        assert contract_bucket.read("metadata/a.json") == (b"old" if blob == old else b"new")
    with django_capture_on_commit_callbacks(execute=True):
        storage_aliases.give_up("metadata/a.json")
    assert contract_bucket.listed() == {old.key, new.key}
    assert StorageAlias.objects.count() == 0


def test_what_the_store_did_not_take_is_settled_by_the_sweep(
    contract_bucket: Bucket, django_capture_on_commit_callbacks: Any
) -> None:
    blob = blobs.store(io.BytesIO(b"later"))
    body = contract_bucket.read(blob.key)
    contract_bucket.client.delete_object(Bucket=contract_bucket.name, Key=blob.key)
    with django_capture_on_commit_callbacks(execute=True):
        storage_aliases.assign("dataset/m/a.csv", blob)  # the copy fails, the request does not
    assert contract_bucket.listed() == set()
    contract_bucket.client.put_object(Bucket=contract_bucket.name, Key=blob.key, Body=body)
    assert storage_aliases.sweep() == 0  # whoever assigned it may still be at it
    with clock.frozen_at(clock.now() + timedelta(minutes=2)):
        assert storage_aliases.sweep() == 1
        assert storage_aliases.sweep() == 0
    assert contract_bucket.read("dataset/m/a.csv") == b"later"


def test_what_fails_after_the_commit_makes_no_refusal_of_what_is_done(
    client: APIClient,
    file_store: Any,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """A copy that can't be made at all: the bytes lie where there are no keys."""
    settings.STORE = dataclasses.replace(settings.STORE, has_contract_keys=True)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.generic("POST", "/artifact/model", b"x", headers={"X-Model-Name": "m"})
    assert answer.status_code == 200
    assert b"".join(client.get("/artifacts/model/m").streaming_content) == b"x"
