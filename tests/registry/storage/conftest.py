"""Buckets and tables of a moto server, and a nanio server, which checks signatures."""

import dataclasses
import functools
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from rest_framework.test import APIClient

from config.accounts.models import User
from config.core.store_settings import StoreSettings
from config.stack.ports import free_port
from registry.services import record_store
from tests.factories import accounts

ACCOUNT = {"aws_access_key_id": "test-account", "aws_secret_access_key": "test-secret-of-it"}


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a nanio server, which checks signatures and their expiry."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("nanio")
    process = subprocess.Popen(
        ["nanio", "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder)],
        executable=str(Path(sys.executable).with_name("nanio")),
        stderr=subprocess.DEVNULL,
        env={
            "PATH": "/usr/bin:/bin",
            "NANIO_ACCESS_KEY": ACCOUNT["aws_access_key_id"],
            "NANIO_SECRET_KEY": ACCOUNT["aws_secret_access_key"],
        },
    )
    try:
        httpx.Client(transport=httpx.HTTPTransport(retries=8)).get(address, timeout=20)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@functools.cache
def client_of(address: str, service: str = "s3") -> Any:
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=address,
        region_name="us-east-1",
        config=config if service == "s3" else None,
        **ACCOUNT,
    )


def use_store(settings: Any, monkeypatch: pytest.MonkeyPatch, address: str, **changes: Any) -> str:
    """Let the blobs lie in a new bucket at ``address``, as STORAGE_TYPE=s3 does; its name."""
    bucket = f"blobs-{uuid.uuid4().hex[:12]}"
    client_of(address).create_bucket(Bucket=bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCOUNT["aws_secret_access_key"])
    store: StoreSettings = dataclasses.replace(
        settings.STORE, is_s3=True, bucket=bucket, endpoint_url=address, **changes
    )
    settings.STORE, settings.STORAGE_TYPE = store, "s3"
    settings.STORAGES = {**settings.STORAGES, "blobs": store.as_django()}
    return bucket


@dataclasses.dataclass
class Bucket:
    """A bucket as somebody outside of Formulary sees it."""

    name: str
    client: Any

    def listed(self) -> set[str]:
        listed = self.client.list_objects_v2(Bucket=self.name)
        return {row["Key"] for row in listed.get("Contents", [])}

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch, moto: str) -> Bucket:
    return Bucket(use_store(settings, monkeypatch, moto), client_of(moto))


@pytest.fixture
def contract_bucket(settings: Any, monkeypatch: pytest.MonkeyPatch, moto: str) -> Bucket:
    """The same, with STORAGE_LAYOUT=contract."""
    name = use_store(settings, monkeypatch, moto, has_contract_keys=True)
    return Bucket(name, client_of(moto))


@pytest.fixture
def checking_bucket(settings: Any, monkeypatch: pytest.MonkeyPatch, nanio: str) -> Bucket:
    return Bucket(use_store(settings, monkeypatch, nanio), client_of(nanio))


@pytest.fixture
def table(settings: Any, monkeypatch: pytest.MonkeyPatch, moto: str) -> Iterator[Any]:
    """A DynamoDB table that records are mirrored into; its client and its name."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCOUNT["aws_secret_access_key"])
    name = f"models-{uuid.uuid4().hex[:8]}"
    client = client_of(moto, "dynamodb")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    settings.STORE = dataclasses.replace(
        settings.STORE, is_mirrored=True, table=name, table_endpoint_url=moto
    )
    record_store._client.cache_clear()
    yield client, name
    record_store._client.cache_clear()


@pytest.fixture
def file_store(settings: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    options = {"location": folder, "file_permissions_mode": 0o440}
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": options,
        },
    }
    return folder


@pytest.fixture
def engineer(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def client(engineer: User) -> APIClient:
    return accounts.client_of(engineer)
