"""A real gateway and a real node on the memory engine, each behind a real uvicorn."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from config.accounts.models import User
from config.accounts.roles import Role
from registry.models import BaseModel, Version
from serving.engines.memory import MemoryEngine
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.models import Deployment
from serving.node.app import build_app as build_node_app
from serving.node.state import Node as NodeState
from tests.factories import gateway as make

BASE_DIGEST = "b" * 64
# Tests read an answer's row when the answer has ended: here it ends later rather than without it.
FAST = Limits(poll_seconds=0.02, reread_seconds=0.2, row_commit_seconds=15)


@dataclass
class World:
    """One base, its nodes, a person, and what tests make of them."""

    folder: Path
    base: BaseModel
    person: User
    nodes: list[make.NodeTwin]
    servers: ExitStack

    @property
    def node(self) -> make.NodeTwin:
        return self.nodes[0]

    def add_node(self, **engine: Any) -> make.NodeTwin:
        twin = NodeState(
            name=f"node{len(self.nodes) + 1}",
            base_name=self.base.slug,
            engine=MemoryEngine(
                base=Path(self.base.slug), base_digest=BASE_DIGEST, slots=32, **engine
            ),
        )
        url = self.servers.enter_context(make.served(build_node_app(twin, secret=make.NODE_SECRET)))
        self.nodes.append(make.NodeTwin(url, twin, self.base, self.folder))
        return self.nodes[-1]

    def version(
        self, *, is_loaded: bool = True, is_permitted: bool = True, **script: Any
    ) -> Version:
        made = make.version(self.folder, self.base, by=self.person, **script)
        if is_loaded:
            for node in self.nodes:
                node.load(made)
        if is_permitted:
            make.permit(made)
        return made

    def deployment(self, stable: Version | None = None, **values: Any) -> Deployment:
        return make.deployment(stable, self.base, by=self.person, **values)


@pytest.fixture
def world(transactional_db: None, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as servers:
        made = World(
            folder=tmp_path,
            base=make.base_model(BASE_DIGEST),
            person=make.user(Role.ML_ENGINEER),
            nodes=[],
            servers=servers,
        )
        made.add_node()
        yield made


class Caller:
    """A program with a token of its own and a connection to one gateway."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def chat(
        self, model: str, text: str = "a note", *, unit: str = "", **values: Any
    ) -> httpx.Response:
        return self.http.post(
            "/v1/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": text}], **values},
            headers={"X-Formulary-Unit": unit} if unit else {},
        )


@pytest.fixture
def serve(world: World) -> Callable[..., Caller]:
    """Starts a gateway (the whole of config.asgi) over the rows made so far."""
    from config.asgi import Application, _django

    def start(limits: Limits = FAST) -> Caller:
        token = make.token()
        app = Application(_django, Gateway(limits))  # type: ignore[arg-type]
        caller = Caller(world.servers.enter_context(make.served(app)), token)
        world.servers.callback(caller.http.close)
        return caller

    return start


@pytest.fixture
def client(world: World, serve: Callable[..., Caller]) -> Callable[..., openai.OpenAI]:
    """Starts a gateway and gives the official client for it."""

    def start(limits: Limits = FAST, *, token: str | None = None) -> openai.OpenAI:
        caller = serve(limits)
        made = openai.OpenAI(
            base_url=f"{caller.url}/v1", api_key=token or caller.token, max_retries=0
        )
        world.servers.callback(made.close)
        return made

    return start
