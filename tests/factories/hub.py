"""A hospital's repository as Hub clients see it, and our application behind a watched server."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from compliance.models import Permission
from compliance.states import Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.core.actors import SYSTEM
from registry.models import Adapter, Version
from registry.selectors import LIVE, files_of
from registry.services import aliases
from tests.factories import accounts
from tests.factories import gateway as servers
from tests.factories import registry as make

LARGE_BYTES = 12 << 20
CONFIG, WEIGHTS, LARGE = "adapter_config.json", "adapter_model.safetensors", "large.safetensors"


def permit(version: Version) -> Permission:
    return Permission.objects.create(
        version=version, digest=version.digest, purpose=Purpose.SERVE, ttl_seconds=600
    )


def name(adapter: Adapter, alias: str, version: Version) -> None:
    aliases.move(
        adapter=adapter,
        name=alias,
        to=version,
        expected=None,
        actor=SYSTEM,
        by_serving=alias == LIVE,
    )


def digests_of(version: Version) -> dict[str, str]:
    """Path → SHA-256 of each file as it was uploaded."""
    return {row.path: row.blob.sha256 for row in files_of(version)}


@dataclass
class Repository:
    """``icu/triage``: v1 is approved and the champion, v2 is live, v3 is not approved."""

    adapter: Adapter
    v1: Version
    v2: Version
    v3: Version
    reader: User
    token: str
    id: str = "icu/triage"

    def url(self, path: str = WEIGHTS, revision: str = "main") -> str:
        return f"/{self.id}/resolve/{revision}/{path}"

    def api(self, rest: str = "") -> str:
        return f"/api/models/{self.id}{rest}"


def repository(*, is_large: bool = False) -> Repository:
    owner, reader = accounts.engineer(), accounts.user(Role.REVIEWER)
    adapter = make.adapter(slug="triage", namespace="icu", owner=owner, tags=["triage"])
    files = [make.package(seed=seed) for seed in (1, 2, 3)]
    files[1] |= {
        "README.md": b"# Triage",
        "optimizer.bin": b"a pickle, perhaps",
        "run.py": b"print('never handed out')",
        "notes/how it was made.md": b"By hand.",
    }
    if is_large:
        files[1][LARGE] = os.urandom(LARGE_BYTES)
    v1, v2, v3 = (
        make.version(of=adapter, files=given, version_name=f"v{number}")
        for number, given in enumerate(files, 1)
    )
    for version in (v1, v2):
        permit(version)
    name(adapter, "champion", v1)
    name(adapter, "next", v3)
    name(adapter, LIVE, v2)
    return Repository(adapter, v1, v2, v3, reader, accounts.token_text(reader))


def client_with(token: str) -> Client:
    return Client(raise_request_exception=False, headers={"authorization": f"Bearer {token}"})


@dataclass
class Seen:
    """One request that reached the server, and its answer's status."""

    method: str
    path: str
    range: str
    status: int = 0


@dataclass
class Server:
    """Our whole application behind a real server; it can cut an answer off."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    cut_after_bytes: int = 0

    def asked(self, method: str, end: str) -> list[Seen]:
        return [row for row in self.seen if row.method == method and row.path.endswith(end)]


class _Watched:
    """Notes each request; cuts one answer to a GET of the large file where it was told to."""

    def __init__(self, app: Any, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        row = Seen(scope["method"], scope["path"], headers.get("range", ""))
        self._server.seen.append(row)
        left = 0
        if row.method == "GET" and row.path.endswith(LARGE):
            left, self._server.cut_after_bytes = self._server.cut_after_bytes, 0

        async def watched(event: Any) -> None:
            nonlocal left
            if event["type"] == "http.response.start":
                row.status = event["status"]
            await send(event)
            if left and event["type"] == "http.response.body":
                left -= len(event["body"])
                if left <= 0:
                    raise ConnectionAbortedError("cut off by the test")

        await self._app(scope, receive, watched)


@contextmanager
def served() -> Iterator[Server]:
    """Our whole Django application behind a real server."""
    from config.asgi import _django

    made = Server()
    with servers.served(_Watched(_django, made)) as made.url:
        yield made


Move = tuple[str, Mapping[str, Any]]
Run = Callable[..., list[Any]]
