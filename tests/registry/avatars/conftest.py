"""A caller of the avatar contract, with an avatar of his own."""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from config.accounts.models import User
from config.accounts.roles import Role
from tests.factories import accounts
from tests.factories import registry as make

NOTE = b"Patient Jane Roe, MRN 4711, coughs.\nRoute to pulmonology.\n"


class Caller:
    """An account and its token, talking to its own addresses (or to others')."""

    def __init__(self, user: User, *scopes: str, mount: str = "/avatar") -> None:
        self.user, self.mount = user, mount
        self.client = APIClient()
        token = accounts.token_text(user, *scopes)
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    def adapter(self, rest: str = "", avatar: str = "nina") -> str:
        return f"{self.mount}/adapters/{self.user.username}/{avatar}{rest}"

    def data(self, rest: str, avatar: str = "nina") -> str:
        return f"{self.mount}/training-data/{self.user.username}/{avatar}/{rest}"

    def kept(self, verb: str, avatar: str = "nina") -> str:
        return f"{self.mount}/persistence/adapters/{verb}/{avatar}"

    def create(self, avatar: str = "nina", **query: str) -> Any:
        said = "&".join(f"{key}={value}" for key, value in query.items())
        return self.client.post(self.adapter(f"/create?{said}", avatar))

    def upload(
        self, files: Mapping[str, bytes], avatar: str = "nina", field: str = "file", query: str = ""
    ) -> Any:
        sent = [SimpleUploadedFile(name, data) for name, data in files.items()]
        return self.client.post(
            self.data(f"upload{query}", avatar), {field: sent}, format="multipart"
        )


@pytest.fixture
def anna(db: None) -> Caller:
    make.base_model()
    return Caller(accounts.engineer(username="anna"))


@pytest.fixture
def ben(db: None) -> Caller:
    return Caller(accounts.engineer(username="ben"))


@pytest.fixture
def reader(anna: Caller) -> Caller:
    """Anna's own token that may only read."""
    return Caller(anna.user, "registry:read")


def trained(caller: Caller, *, avatar: str = "nina", seed: int = 0) -> Any:
    """Give the avatar's adapter a version with weights, as the end of a training does."""
    from registry.avatar_selectors import avatar_of

    row = avatar_of(owner=caller.user, name=avatar)
    return make.version(of=row.adapter, files=make.package(seed=seed), user=caller.user)


def unzipped(response: Any) -> dict[str, bytes]:
    data = b"".join(response.streaming_content)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def reviewer(name: str) -> User:
    return accounts.user(Role.REVIEWER, username=name)
