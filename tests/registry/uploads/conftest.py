"""An engineer's client, a folder for unfinished files, and the calls of an upload."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.accounts.models import User
from tests.factories import accounts

CHUNK_TYPE = "application/offset+octet-stream"
DATA = bytes(range(256)) * 400  # 102,400 bytes


class Chunks:
    """One upload as a client of the API sees it."""

    def __init__(self, client: APIClient, data: bytes = DATA, **declared: Any) -> None:
        self.client, self.data = client, data
        values = {"size_bytes": len(data), "sha256": sha256(data)} | declared
        self.answer = client.post(
            "/api/v1/uploads", {key: value for key, value in values.items() if value is not None}
        )
        self.url = self.answer.headers.get("Location", "")
        self.uuid = self.url.rpartition("/")[2]

    def send(self, start: int, end: int | None = None, **headers: str) -> Any:
        """PATCH the bytes from ``start`` to ``end``."""
        return patch(self.client, self.url, self.data[start:end], start, **headers)

    def offset(self) -> int:
        """What HEAD says."""
        return int(self.client.head(self.url)["Upload-Offset"])

    def file(self, folder: Path) -> Path:
        return folder / f"{self.uuid}.part"


def patch(client: APIClient, url: str, body: bytes, offset: object, **headers: str) -> Any:
    named: Mapping[str, str] = {"Upload-Offset": str(offset)} | headers
    return client.patch(url, data=body, content_type=CHUNK_TYPE, headers=named)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unique(size_bytes: int = 50_000) -> bytes:
    """Bytes that no other test has stored."""
    return os.urandom(size_bytes)


@pytest.fixture
def engineer(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def client(engineer: User) -> APIClient:
    return accounts.client_of(engineer)


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    """Where unfinished files lie in this test."""
    settings.UPLOAD_FOLDER = tmp_path / "uploads"
    return tmp_path / "uploads"
