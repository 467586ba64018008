"""Folders of LoRA files, object stores that are real servers, and clients with tokens."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from django.core.cache import cache
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from rest_framework.test import APIClient

from config.accounts.models import User
from config.accounts.roles import Role
from deliveries.models import LoraEntry
from deliveries.services import settling
from tests.factories import accounts

Register = Callable[..., dict[str, Any]]
ACCOUNT, SECRET = "formulary-tests", "a-secret-of-the-tests"


@pytest.fixture
def engineer(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def client(engineer: User) -> APIClient:
    return accounts.client_of(engineer)


@pytest.fixture
def application(db: None) -> APIClient:
    """A program that may ask for answers and no more."""
    return accounts.client_of(accounts.user(Role.APPLICATION))


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def loras(settings: Any, tmp_path: Path) -> Path:
    """The one folder that files may be registered from."""
    folder = tmp_path / "loras"
    folder.mkdir()
    settings.LORA_FILE_ROOTS = [folder]
    return folder


@pytest.fixture
def register(client: APIClient, loras: Path) -> Register:
    """Registers a file of its own bytes and returns the adapter as it was answered."""

    def make(name: str, **values: Any) -> dict[str, Any]:
        path = loras / f"{uuid.uuid4().hex}.safetensors"
        path.write_bytes(name.encode() * 10)
        body = {"name": name, "file_path": str(path), **values}
        answer = client.post("/manager/adapters", body)
        assert answer.status_code in {201, 202}, answer.content
        adapter: dict[str, Any] = answer.json()["adapter"]
        return adapter

    return make


@dataclass
class Store:
    """A bucket server and a client of an outside reader."""

    endpoint: str
    s3: Any

    def text(self, bucket: str, key: str) -> str:
        return str(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def json(self, bucket: str, key: str) -> Any:
        return json.loads(self.text(bucket, key))

    def keys(self, bucket: str) -> list[str]:
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that checks every signature."""
    known = StaticCredentialResolver({ACCOUNT: SECRET})
    app = build_app(Settings(data_dir=tmp_path_factory.mktemp("nanio"), credentials=known))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


def _client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="session", params=["moto", "nanio"])
def _server(request: pytest.FixtureRequest) -> Store:
    endpoint = request.getfixturevalue(request.param)
    return Store(endpoint, _client(endpoint))


def _use(store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    settings.METADATA_S3_ENDPOINT = store.endpoint
    settings.METADATA_BUCKET = f"lora-{uuid.uuid4().hex[:12]}"
    store.s3.create_bucket(Bucket=settings.METADATA_BUCKET)
    return store


@pytest.fixture
def store(_server: Store, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The object store of this installation, on both servers; METADATA_BUCKET is there, empty."""
    return _use(_server, settings, monkeypatch)


@pytest.fixture
def loose_store(moto: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same on the other server alone."""
    return _use(Store(moto, _client(moto)), settings, monkeypatch)


@pytest.fixture
def strict_store(nanio: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same on the server that checks signatures."""
    return _use(Store(nanio, _client(nanio)), settings, monkeypatch)


@pytest.fixture
def mirroring(store: Store, settings: Any) -> Store:
    settings.METADATA_SYNC = True
    return store


@pytest.fixture
def remote(store: Store, settings: Any) -> Store:
    """STORAGE_TYPE=s3: entries name objects in the bucket ``loras``."""
    settings.STORAGE_TYPE = "s3"
    settings.LORA_S3_BUCKETS = ["loras", settings.METADATA_BUCKET]
    if "loras" not in [row["Name"] for row in store.s3.list_buckets()["Buckets"]]:
        store.s3.create_bucket(Bucket="loras")
    return store


def reasons(answer: Any, status: int = 400) -> dict[str, str]:
    """What the problem document says of each part of the request."""
    body = answer.json()
    assert answer.status_code == body["status"] == status, body
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "invalid_params"} <= set(body)
    return {row["name"]: row["reason"] for row in body["invalid_params"]}


def settled(adapter_id: str) -> LoraEntry:
    """The entry after a worker has done what was due."""
    entry = LoraEntry.objects.get(uuid=adapter_id)
    settling.settle(entry_id=entry.pk)
    entry.refresh_from_db()
    return entry


@dataclass
class Validator:
    """An outside validator: what it was asked, and the status that it answers with."""

    url: str
    status: int = 200
    asked: list[tuple[Mapping[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def validator(settings: Any) -> Iterator[Validator]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append((dict(self.headers), body))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    port = server.server_address[1]
    found = Validator(f"http://127.0.0.1:{port}/validate")
    settings.CIVITAI_VALIDATE_URL = found.url
    settings.CIVITAI_API_KEY = "key-for-the-validator"
    settings.EGRESS_ALLOW = [f"127.0.0.1:{port}"]
    yield found
    server.shutdown()
    thread.join(timeout=10)
