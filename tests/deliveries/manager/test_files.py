"""Which files can be registered: local ones under allowed folders, or objects of a bucket."""

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from deliveries.models import LoraEntry
from deliveries.selectors.entries import unsettled_ids
from deliveries.services import files
from tests.deliveries.manager.conftest import Store, reasons, settled

pytestmark = pytest.mark.django_db
PATH = "/manager/adapters"
OUTSIDE = "outside the folders"


def refusal(client: APIClient, file_path: str) -> str:
    answer = client.post(PATH, {"name": "x", "file_path": file_path})
    assert answer.status_code == 400, answer.content
    found = {row["name"]: row["reason"] for row in answer.json()["invalid_params"]}
    assert set(found) == {"file_path"}
    assert not LoraEntry.objects.exists()
    return str(found["file_path"])


def test_a_local_file_is_named_by_its_absolute_path_L30(client: APIClient, loras: Path) -> None:
    (loras / "sub").mkdir()
    path = loras / "sub" / "a b ä.safetensors"
    path.write_bytes(b"weights")
    assert "absolute" in refusal(client, "a.safetensors")
    assert "absolute" in refusal(client, os.path.relpath(path))
    assert "s3" in refusal(client, "s3://loras/a.safetensors").lower()
    made = client.post(PATH, {"name": "x", "file_path": str(path)})
    assert made.status_code == 201
    assert made.json()["adapter"]["file_path"] == str(path)


def test_nothing_outside_the_allowed_folders_can_be_registered_or_asked_about(
    client: APIClient, loras: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not yours")
    (loras / "link").symlink_to(secret)
    (loras / "folder").symlink_to(tmp_path)
    (tmp_path / "loras-too").mkdir()
    (tmp_path / "loras-too" / "a").write_bytes(b"not yours")
    asked = [
        secret,
        tmp_path / "nothing",
        loras / "link",
        loras / "folder" / "secret",
        loras / "folder" / "nothing",
        tmp_path / "loras-too" / "a",
        Path("/etc/passwd"),
        Path("/proc/self/environ"),
    ]
    for path in asked:
        assert OUTSIDE in refusal(client, str(path)), path
    for path in (f"{loras}/../secret", f"{loras}/./a", f"//{loras}/a", f"{loras}//a"):
        assert "no .." in refusal(client, path), path


def test_only_a_plain_readable_file_is_one(client: APIClient, loras: Path) -> None:
    os.mkfifo(loras / "pipe")
    (loras / "round").symlink_to(loras / "round")
    for name in ("pipe", "nothing", "", "n" * 300, "round"):
        assert refusal(client, str(loras / name)), name


def test_the_file_is_looked_at_before_anything_is_written_L43(
    client: APIClient, loras: Path
) -> None:
    path = loras / "late.safetensors"
    assert "no file" in refusal(client, str(path))
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "x", "file_path": str(path)}).json()["adapter"]
    assert told["validation_status"] == "valid"
    (loras / "other").write_bytes(b"others")
    missing = {"file_path": str(loras / "gone"), "weight": 2}
    assert client.patch(f"{PATH}/{told['id']}", missing).status_code == 400
    assert client.get(f"{PATH}/{told['id']}").json()["adapter"] == told
    moved = client.patch(f"{PATH}/{told['id']}", {"file_path": str(loras / "other")})
    assert moved.json()["adapter"]["sha256"] == hashlib.sha256(b"others").hexdigest()


def test_then_the_record_is_made_L44(client: APIClient, loras: Path) -> None:
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    told = client.post(PATH, {"name": "x", "file_path": str(path)}).json()["adapter"]
    row = LoraEntry.objects.get(uuid=told["id"])
    assert (row.name, row.file_path, row.size_bytes) == ("x", str(path), 7)
    assert row.sha256 == told["sha256"] == hashlib.sha256(b"weights").hexdigest()


def test_a_large_file_is_hashed_as_a_stream_L52(loras: Path) -> None:
    path = loras / "large.safetensors"
    with path.open("wb") as stream:
        stream.truncate(48 << 20)
    tracemalloc.start()
    facts = files.look(str(path))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts == files.FileFacts(48 << 20, hashlib.sha256(bytes(48 << 20)).hexdigest())
    assert peak_bytes < 6 << 20


def test_a_file_too_large_to_wait_for_is_accepted_and_hashed_afterwards(
    client: APIClient, loras: Path, settings: Any
) -> None:
    settings.LORA_HASH_AT_ONCE_BYTES = 3
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    made = client.post(PATH, {"name": "x", "file_path": str(path)})
    assert made.status_code == 202
    told = made.json()["adapter"]
    assert (told["sha256"], told["size_bytes"], told["validation_status"]) == (None, 7, "pending")
    assert unsettled_ids() == [LoraEntry.objects.get().pk]
    entry = settled(told["id"])
    assert (entry.validation, entry.sha256) == ("valid", hashlib.sha256(b"weights").hexdigest())
    assert unsettled_ids() == []


def test_a_file_that_goes_before_it_is_hashed_makes_the_entry_invalid(
    client: APIClient, loras: Path, settings: Any
) -> None:
    settings.LORA_HASH_AT_ONCE_BYTES = 3
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    body = {"name": "x", "file_path": str(path), "active": True}
    told = client.post(PATH, body).json()["adapter"]
    path.unlink()
    assert settled(told["id"]).validation == "invalid"
    composed = client.post("/manager/compose", {}).json()
    assert composed["tokens"] == ["<lora:x:1.000>"]
    assert "no file" in composed["warnings"][0]


def test_the_remote_mode_takes_addresses_of_its_buckets_L32_L43(
    client: APIClient, remote: Store, loras: Path
) -> None:
    remote.s3.put_object(Bucket="loras", Key="sub/a.safetensors", Body=b"weights")
    made = client.post(PATH, {"name": "x", "file_path": "s3://loras/sub/a.safetensors"})
    assert made.status_code == 201, made.content
    told = made.json()["adapter"]
    assert told["file_path"] == "s3://loras/sub/a.safetensors"
    assert told["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert told["size_bytes"] == 7
    LoraEntry.objects.all().delete()
    (loras / "a.safetensors").write_bytes(b"weights")
    assert "s3://bucket/key" in refusal(client, str(loras / "a.safetensors"))
    assert "not one that may be read" in refusal(client, "s3://others/a.safetensors")
    assert "no object" in refusal(client, "s3://loras/missing")
    for wrong in ("s3://loras", "s3://loras/", "s3:///a", "s3://loras/../a", "s3://loras/a//b"):
        assert "can't be registered" in refusal(client, wrong), wrong


def test_the_same_bytes_are_the_same_file_wherever_they_lie_L24_L29(
    remote: Store, loras: Path, settings: Any
) -> None:
    data = os.urandom(100_000)
    remote.s3.put_object(Bucket="loras", Key="a", Body=data)
    there = files.look("s3://loras/a")
    settings.STORAGE_TYPE = "filesystem"
    (loras / "a").write_bytes(data)
    assert files.look(str(loras / "a")) == there
    assert there == files.FileFacts(len(data), hashlib.sha256(data).hexdigest())


def test_a_store_that_is_away_is_said_to_be_and_nothing_is_kept(
    client: APIClient, remote: Store, settings: Any
) -> None:
    settings.METADATA_S3_ENDPOINT = "http://127.0.0.1:1"
    answer = client.post(PATH, {"name": "x", "file_path": "s3://loras/a"})
    assert (answer.status_code, answer.json()["code"]) == (503, "store-away")
    assert answer.json()["invalid_params"] == []
    assert not LoraEntry.objects.exists()


@pytest.fixture
def document(mirroring: Store, loras: Path, settings: Any) -> Callable[..., str]:
    """Writes a metadata document beside a file, and returns its address."""

    def write(name: str, body: str) -> str:
        (loras / "a.safetensors").write_bytes(b"weights")
        mirroring.s3.put_object(Bucket=settings.METADATA_BUCKET, Key=name, Body=body.encode())
        return f"s3://{settings.METADATA_BUCKET}/{name}"

    return write


def test_an_adapter_is_registered_from_its_document(
    client: APIClient, document: Callable[..., str], loras: Path
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    file_path = loras / "a.safetensors"
    uri = document(
        "one.json",
        f'{{"name": "one", "file_path": "{file_path}", "sha256": "{digest}", '
        '"size_bytes": 7, "tags": ["a"], "created_at": "2026-01-01T00:00:00Z"}',
    )
    told = client.post(PATH, {"metadata_uri": uri, "weight": 0.5}).json()["adapter"]
    assert (told["name"], told["file_path"], told["tags"]) == ("one", str(file_path), ["a"])
    assert (told["metadata_uri"], told["weight"]) == (uri, 0.5)
    named = client.post(PATH, {"metadata_uri": uri, "name": "two"}).json()["adapter"]
    assert named["name"] == "two"


def test_a_file_that_a_document_describes_is_looked_at_too_L43(
    client: APIClient, document: Callable[..., str], loras: Path
) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    path = loras / "a.safetensors"
    said = {"name": "one", "file_path": str(path), "sha256": digest, "size_bytes": 7}
    uri = document("one.json", json.dumps(said))
    path.write_bytes(b"w3ights")
    other = client.post(PATH, {"metadata_uri": uri})
    assert (other.status_code, other.json()["code"]) == (400, "metadata-refused")
    path.unlink()
    assert "no file" in reasons(client.post(PATH, {"metadata_uri": uri}))["file_path"]
    assert not LoraEntry.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"name": 3}',
        '{"tags": "a"}',
        '{"tags": [1]}',
        '{"size_bytes": true}',
        '{"name": "\\u0000"}',
        '{"name": "one", "file_path": "{path}", "size_bytes": 8}',
        '{"name": "one", "file_path": "{path}", "sha256": "00"}',
        "[" * 100_000,
    ],
)
def test_a_document_that_is_none_or_tells_of_other_bytes_is_refused(
    client: APIClient, document: Callable[..., str], loras: Path, body: str
) -> None:
    uri = document("bad.json", body.replace("{path}", str(loras / "a.safetensors")))
    for address in (uri, "s3://elsewhere/a.json", "https://example.org/a.json", f"{uri}x"):
        answer = client.post(PATH, {"metadata_uri": address})
        assert (answer.status_code, answer.json()["code"]) == (400, "metadata-refused"), address
    assert not LoraEntry.objects.exists()
