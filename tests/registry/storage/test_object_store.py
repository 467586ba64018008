"""Everything that touches bytes, on an S3 store."""

import dataclasses
import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.auth
import httpx
import pytest
from botocore.config import Config
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.models import User
from config.accounts.roles import Role
from config.core import clock, object_store
from config.core.actors import SYSTEM
from config.core.storage import blob_storage
from registry.models import Blob, Upload
from registry.services import artifacts, blobs
from tests.factories import accounts
from tests.factories import registry as make

from .conftest import Bucket

pytestmark = pytest.mark.django_db


def _begin(client: APIClient, data: bytes) -> dict[str, Any]:
    declared = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return client.post("/api/v1/uploads", declared, format="json").json()


def test_a_version_is_submitted_and_fetched(client: APIClient, bucket: Bucket) -> None:
    make.adapter(slug="in-a-bucket")
    files = []
    for path, data in make.package().items():
        stream = io.BytesIO(data)
        stream.name = path
        files.append(stream)
    answer = client.post(
        "/api/v1/adapters/in-a-bucket/versions", {"files": files}, format="multipart"
    )
    assert answer.status_code == 201, answer.content
    for path, data in make.package().items():
        sha256 = hashlib.sha256(data).hexdigest()
        assert bucket.read(f"sha256/{sha256[:2]}/{sha256}") == data, path
        fetched = client.get(f"/api/v1/blobs/{sha256}")
        assert b"".join(fetched.streaming_content) == data
        assert client.head(f"/api/v1/blobs/{sha256}").status_code == 200


def test_an_upload_in_chunks_ends_in_the_bucket(client: APIClient, bucket: Bucket) -> None:
    data = os.urandom(300_000)
    upload = _begin(client, data)
    for offset in range(0, len(data), 200_000):
        answer = client.patch(
            f"/api/v1/uploads/{upload['uuid']}",
            data[offset : offset + 200_000],
            content_type="application/offset+octet-stream",
            headers={"Upload-Offset": str(offset)},
        )
    assert answer.json()["state"] == "done"
    sha256 = hashlib.sha256(data).hexdigest()
    assert bucket.listed() == {f"sha256/{sha256[:2]}/{sha256}"}
    blobs.verify(Blob.objects.get())


def test_an_artifact_lies_in_the_bucket_that_is_set(client: APIClient, bucket: Bucket) -> None:
    headers = {"X-Model-Name": "m"}
    assert client.generic("POST", "/artifact/model", b"data", headers=headers).status_code == 200
    assert {bucket.read(key) for key in bucket.listed()} == {b"data"}
    assert b"".join(client.get("/artifacts/model/m").streaming_content) == b"data"


def test_all_threads_share_one_client(bucket: Bucket) -> None:
    """Each request has a thread of its own, and a client of its own would cost it 0.1 s."""
    with ThreadPoolExecutor(3) as threads:
        at_once = threading.Barrier(3)

        def ask(_: int) -> int:
            at_once.wait(60)
            return id(blob_storage().connection.meta.client)  # type: ignore[attr-defined]

        assert len(set(threads.map(ask, range(3)))) == 1


def test_the_first_bytes_of_a_file_do_not_wait_for_the_last(
    engineer: User, bucket: Bucket, settings: Any
) -> None:
    """A store that sends the second half of an object when the first one was read."""
    half = 2 << 20
    artifact = artifacts.upload(
        kind="model",
        name="m",
        file_name="m.zip",
        content_type="application/zip",
        pieces=[bytes(2 * half)],
        user=engineer,
        actor=SYSTEM,
    )
    was_read, in_time = threading.Event(), []

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(2 * half))
            self.end_headers()
            self.wfile.write(bytes(half))
            in_time.append(was_read.wait(60))
            self.wfile.write(bytes(half))

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(2 * half))
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        settings.STORE = dataclasses.replace(settings.STORE, endpoint_url=address)
        settings.STORAGES = {**settings.STORAGES, "blobs": settings.STORE.as_django()}
        first, stream = artifacts.open_bytes(artifact)
        was_read.set()
        assert len(first) + len(stream.read()) == 2 * half
        server.shutdown()
    assert in_time == [True]


def test_a_store_that_refuses_is_the_contracts_500_and_nothing_stays_F49(
    client: APIClient, bucket: Bucket
) -> None:
    bucket.client.delete_bucket(Bucket=bucket.name)
    answer = client.generic("POST", "/artifact/model", b"data", headers={"X-Model-Name": "m"})
    assert (answer.status_code, answer.json()["error_code"]) == (500, "S3_UPLOAD_ERROR")
    assert Blob.objects.count() == 0
    missing = client.get("/artifacts/model/m").json()
    assert missing["error_code"] == "MODEL_NOT_FOUND"


def test_a_store_that_refuses_to_give_or_is_away_is_the_contracts_500_F50(
    client: APIClient, bucket: Bucket, settings: Any
) -> None:
    client.generic("POST", "/artifact/model", b"data", headers={"X-Model-Name": "m"})
    assert b"".join(client.get("/artifacts/model/m").streaming_content) == b"data"
    [key] = bucket.listed()
    # Archived: the store says that it has the bytes, and doesn't give them.
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"data", StorageClass="GLACIER")
    refused = client.get("/artifacts/model/m")
    away = dataclasses.replace(settings.STORE, endpoint_url="http://127.0.0.1:1").as_django()
    asked_once = Config(retries={"total_max_attempts": 1})
    away["OPTIONS"]["client_config"] = away["OPTIONS"]["client_config"].merge(asked_once)
    settings.STORAGES = {**settings.STORAGES, "blobs": away}
    for answer in (refused, client.get("/artifacts/model/m")):
        assert (answer.status_code, answer.json()["error_code"]) == (500, "S3_DOWNLOAD_ERROR")


def test_a_signed_address_gives_the_bytes_to_whoever_has_it(
    client: APIClient, checking_bucket: Bucket
) -> None:
    blob = blobs.store(io.BytesIO(b"fetched past us"))
    signed = client.post(f"/api/v1/blobs/{blob.sha256}/url").json()
    assert (signed["method"], signed["size_bytes"]) == ("GET", 15)
    assert httpx.get(signed["url"]).content == b"fetched past us"
    event = AuditEvent.objects.get(action="blob.url_signed")
    assert event.object_id == blob.sha256
    assert signed["url"] not in event.body


def test_a_changed_or_expired_address_gives_nothing(
    client: APIClient, checking_bucket: Bucket, settings: Any
) -> None:
    mine, other = blobs.store(io.BytesIO(b"mine")), blobs.store(io.BytesIO(b"another's"))
    url = client.post(f"/api/v1/blobs/{mine.sha256}/url").json()["url"]
    assert httpx.get(url).status_code == 200
    assert httpx.get(url.replace(mine.key, other.key)).status_code == 403
    later = httpx.URL(url).copy_set_param("X-Amz-Expires", "604800")
    assert httpx.get(later).status_code == 403
    two_hours_ago = httpx.URL(url).copy_set_param("X-Amz-Date", "20200101T000000Z")
    assert httpx.get(two_hours_ago).status_code == 403
    assert httpx.put(url, content=b"other bytes").status_code == 403


def test_an_address_ends_when_it_says(
    checking_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed as if an hour and a minute ago: the signature is right, the time is over."""
    blob = blobs.store(io.BytesIO(b"mine"))

    def signed_before(minutes: int) -> str:
        moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=minutes)
        with monkeypatch.context() as patched:
            patched.setattr(botocore.auth, "get_current_datetime", lambda: moment)
            return object_store.download_url(
                blob.key, file_name="a", content_type="text/plain", expires_seconds=3600
            )

    assert httpx.get(signed_before(61)).status_code == 403
    assert httpx.get(signed_before(59)).status_code == 200


def test_an_address_takes_one_file_of_the_declared_size_alone(
    client: APIClient, checking_bucket: Bucket
) -> None:
    data = os.urandom(100_000)
    upload = _begin(client, data)
    signed = client.post(f"/api/v1/uploads/{upload['uuid']}/url").json()
    assert (signed["method"], signed["size_bytes"]) == ("PUT", len(data))
    assert httpx.put(signed["url"], content=data[:-1]).status_code == 403
    assert httpx.get(signed["url"]).status_code == 403
    assert httpx.put(signed["url"], content=data).status_code == 200
    assert checking_bucket.listed() == {f"incoming/{upload['uuid']}"}


def test_an_upload_goes_past_us_and_is_taken_by_its_digest(
    client: APIClient, bucket: Bucket
) -> None:
    data = os.urandom(100_000)
    upload = _begin(client, data)
    path = f"/api/v1/uploads/{upload['uuid']}"
    assert client.post(f"{path}/complete").json()["code"] == "direct-upload-absent"
    url = client.post(f"{path}/url").json()["url"]
    assert httpx.put(url, content=data).status_code == 200
    assert client.post(f"{path}/complete").json()["state"] == "done"
    assert client.post(f"{path}/complete").json()["state"] == "done"
    sha256 = hashlib.sha256(data).hexdigest()
    assert bucket.listed() == {f"sha256/{sha256[:2]}/{sha256}"}
    assert bucket.read(f"sha256/{sha256[:2]}/{sha256}") == data


def test_other_bytes_than_declared_are_not_taken(client: APIClient, bucket: Bucket) -> None:
    upload = _begin(client, b"declared")
    path = f"/api/v1/uploads/{upload['uuid']}"
    url = client.post(f"{path}/url").json()["url"]
    assert httpx.put(url, content=b"deceived").status_code == 200
    answer = client.post(f"{path}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "upload-damaged")
    assert bucket.listed() == set()
    assert Upload.objects.count() == Blob.objects.count() == 0


def test_without_a_declared_digest_nothing_is_signed(client: APIClient, bucket: Bucket) -> None:
    upload = client.post("/api/v1/uploads", {"size_bytes": 3}, format="json").json()
    answer = client.post(f"/api/v1/uploads/{upload['uuid']}/url")
    assert (answer.status_code, answer.json()["code"]) == (400, "upload-invalid")


def test_addresses_are_signed_for_those_who_may_and_for_their_own(
    client: APIClient, bucket: Bucket, engineer: User
) -> None:
    blob = blobs.store(io.BytesIO(b"mine"))
    upload = _begin(client, b"data")
    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Bearer {accounts.token_text(accounts.engineer())}")
    assert other.post(f"/api/v1/uploads/{upload['uuid']}/url").status_code == 404
    assert other.post(f"/api/v1/uploads/{upload['uuid']}/complete").status_code == 404
    stranger = APIClient()
    program = accounts.user(Role.APPLICATION)
    stranger.credentials(HTTP_AUTHORIZATION=f"Bearer {accounts.token_text(program)}")
    assert stranger.post(f"/api/v1/blobs/{blob.sha256}/url").status_code == 403


def test_a_file_system_gives_no_signed_addresses(client: APIClient, file_store: Any) -> None:
    blob = blobs.store(io.BytesIO(b"mine"))
    answer = client.post(f"/api/v1/blobs/{blob.sha256}/url")
    assert (answer.status_code, answer.json()["code"]) == (409, "store-not-signable")


def test_addresses_may_begin_with_the_name_that_clients_know(
    client: APIClient, bucket: Bucket, settings: Any
) -> None:
    settings.STORE = dataclasses.replace(
        settings.STORE, public_endpoint_url="https://files.hospital.example"
    )
    blob = blobs.store(io.BytesIO(b"mine"))
    url = client.post(f"/api/v1/blobs/{blob.sha256}/url").json()["url"]
    assert url.startswith(f"https://files.hospital.example/{bucket.name}/sha256/")


def test_what_was_sent_and_never_taken_is_swept(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="incoming/abandoned", Body=b"x")
    assert blobs.sweep_incoming() == 0
    with clock.frozen_at(clock.now() + timedelta(hours=25)):
        assert blobs.sweep_incoming() == 1
    assert bucket.listed() == set()
