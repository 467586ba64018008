"""Callers of the artifact contract, and a store of its own for each test."""

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.accounts.models import User
from config.accounts.roles import Role
from tests.factories import accounts


@pytest.fixture(autouse=True)
def own_store(settings: Any, tmp_path: Path) -> Path:
    """A file system store that ends with the test."""
    folder = tmp_path / "blobs"
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folder},
        },
    }
    return folder


@pytest.fixture
def engineer(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def token(engineer: User) -> str:
    return accounts.token_text(engineer)


@pytest.fixture
def client(token: str) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


@pytest.fixture
def reader(db: None) -> APIClient:
    return accounts.client_of(accounts.user(Role.REVIEWER))
