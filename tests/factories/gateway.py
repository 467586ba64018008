"""Rows and packages that the gateway routes by, and real servers in threads."""

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from django.db.models import F

from compliance.models import Epoch, Permission, Stop
from compliance.states import Purpose
from config.accounts.models import ApiToken, RoleGrant, User
from config.accounts.roles import Role
from config.core import clock, keys
from config.core.digests import sha256_hex
from registry.models import Adapter, BaseModel, Version
from serving.models import Deployment, Node, Replica, Revision, Rollout
from serving.node.packages import folder_digest
from serving.states import ReplicaState, RolloutState

_numbers = itertools.count(1)
NODE_SECRET = "a secret of this test's nodes"


def until(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """The first true value of ``condition``; fails when time is up.

    Asked rarer and rarer, so that what is waited for over seconds keeps the processor.
    """
    deadline, pause = time.monotonic() + seconds, 0.01
    waiter = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        waiter.wait(pause)
        pause = min(1.1 * pause, 0.1)
    return value


class _Server(uvicorn.Server):
    """Ready, and gone, in the moment that it is: uvicorn's own looks every tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        try:
            await super().startup(sockets)
        finally:
            self.is_ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ending.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = self.server_state
        for listener in [*self.servers, *(sockets or [])]:
            listener.close()
        for each in list(state.connections):
            each.shutdown()
        if state.tasks:
            _, late = await asyncio.wait(state.tasks, timeout=1)
            for task in late:
                task.cancel()
        # A connection that has nothing more to send closes in the loop's next rounds.
        for _ in range(5):
            await asyncio.sleep(0)
        await self.lifespan.shutdown()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The URL of a real uvicorn with ``app`` in a thread."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert server.is_ready.wait(60) and server.started, "the server did not start"
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        thread.join(10)
        listener.close()


def base_model(digest: str) -> BaseModel:
    number = next(_numbers)
    return BaseModel.objects.create(slug=f"base{number}", folder="/nowhere", digest=digest)


def user(*roles: Role) -> User:
    made = User.objects.create(username=f"gateway-user-{next(_numbers)}")
    for role in roles:
        RoleGrant.objects.create(user=made, role=role)
    return made


def token(
    *scopes: str,
    of: User | None = None,
    days: float = 1,
) -> str:
    """The text of a token with these scopes, by default those of a program."""
    number = next(_numbers)
    text = f"fml_test{number}"
    ApiToken.objects.create(
        user=of or user(Role.APPLICATION),
        name=f"client{number}",
        prefix=text[:12],
        token_sha256=sha256_hex(text.encode()),
        scopes=list(scopes or ("inference", "feedback:write")),
        expires_at=clock.now() + timedelta(days=days),
    )
    return text


class NodeTwin:
    """A real node server on the memory engine, with its row."""

    def __init__(self, url: str, twin: Any, base: BaseModel, folder: Path) -> None:
        self.url, self.twin, self.base, self.folder = url, twin, base, folder
        self.row = Node.objects.create(
            name=twin.name,
            url=url,
            secret_encrypted=keys.encrypt(NODE_SECRET),
            base_model=base,
            engine="memory",
            boot_id=twin.boot_id,
        )
        self._leases: dict[str, dict[str, Any]] = {}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        response = httpx.request(
            method,
            f"{self.url}/node/v1/{path}",
            json=body,
            headers={"Authorization": f"Bearer {NODE_SECRET}"},
        )
        response.raise_for_status()
        return response.json()

    def load(self, version: Version, *, is_ready: bool = True) -> Replica:
        """Load a version made by ``version()``, lease it on the node and call it proven."""
        lease = {"purpose": "serve", "ttl_seconds": 600}
        self.call(
            "PUT",
            f"replicas/{version.runtime_name}",
            {"digest": version.digest, "path": str(self.folder / version.digest), "lease": lease},
        )
        return Replica.objects.create(
            node=self.row,
            version=version,
            digest=version.digest,
            state=ReplicaState.READY if is_ready else ReplicaState.LOADING,
            proven_boot_id=self.twin.boot_id if is_ready else "",
        )

    def stop(self, digest: str, *, epoch: int) -> None:
        self.call("PUT", "stops", {"epoch": epoch, "digests": [digest]})


def version(folder: Path, base: BaseModel, *, by: User, **script: Any) -> Version:
    """A version whose package, under ``folder/<digest>``, scripts the memory engine."""
    number = next(_numbers)
    package = folder / f"package{number}"
    package.mkdir(parents=True)
    (package / "answers.json").write_text(json.dumps(script))
    (package / "weights").write_text(f"weights {number}")
    digest = folder_digest(package)
    package.rename(folder / digest)
    adapter = Adapter.objects.create(
        slug=f"adapter{number}", name="Adapter", base_model=base, owner=by
    )
    return Version.objects.create(
        adapter=adapter,
        number=1,
        version_name="1",
        digest=digest,
        commit_id=digest[:40],
        submitted_by=by,
    )


def permit(of: Version, *, ttl_seconds: int = 60) -> Permission:
    return Permission.objects.create(
        version=of, digest=of.digest, purpose=Purpose.SERVE, ttl_seconds=ttl_seconds
    )


def deployment(
    stable: Version | None,
    base: BaseModel,
    *,
    by: User,
    contract: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    is_base: bool = False,
) -> Deployment:
    """A deployment with ``stable`` (or the base itself) as its stable revision."""
    made = Deployment.objects.create(
        public_name=f"model-{next(_numbers)}",
        adapter=None if stable is None else stable.adapter,
        base_model=base,
        output_contract=contract or {},
        policy=policy or {},
        created_by=by,
    )
    if stable is not None or is_base:
        made.stable_revision = revision(made, stable)
        made.stable_since = clock.now()
        made.save()
    return made


def revision(of: Deployment, version: Version | None) -> Revision:
    return Revision.objects.create(
        deployment=of,
        number=of.revisions.count() + 1,
        version=version,
        digest=of.base_model.digest if version is None else version.digest,
        created_by=of.created_by,
    )


def rollout(of: Deployment, to: Version, *, weight_percent: int, stage: int = 1) -> Rollout:
    return Rollout.objects.create(
        deployment=of,
        from_revision=of.stable_revision,
        to_revision=revision(of, to),
        strategy="canary",
        state=RolloutState.RUNNING,
        stage=stage,
        weight_percent=weight_percent,
        started_by=of.created_by,
    )


def stop(digest: str) -> Stop:
    """A stop as compliance writes it, with both epochs moved."""
    made = Stop.objects.create(digest=digest, reason="test")
    bump(stops=True)
    return made


def bump(*, stops: bool = False) -> None:
    Epoch.objects.get_or_create(name="epoch")
    values: dict[str, Any] = {"routing": F("routing") + 1}
    if stops:
        values["stops"] = F("stops") + 1
    Epoch.objects.update(**values)
