"""Clients of the API: with a token, or signed in as a person is."""

from pathlib import Path

import pytest
from rest_framework.test import APIClient

from config.accounts.models import User
from tests.factories import accounts


@pytest.fixture(autouse=True)
def _own_places(settings: object, tmp_path: Path) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"  # type: ignore[attr-defined]


def by_token(user: User, *scopes: str) -> APIClient:
    return accounts.client_of(user, *scopes)


def by_session(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client
