"""A real node in this process: uvicorn on a free port, in a thread of its own."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.node.packages import folder_digest
from serving.node.server import NodeOptions, NodeServer, build_node, build_server
from serving.node.state import Node

SECRET = "a-node-secret-for-tests"


@dataclass(frozen=True)
class Script:
    """A scripted package for the memory engine."""

    folder: Path
    digest: str
    name: str


@dataclass
class Running:
    """A node that listens, and a client with its secret."""

    node: Node
    server: NodeServer
    client: httpx.Client
    url: str

    def put(self, package: Any, *, lease: dict[str, Any] | None = None, **more: Any) -> Any:
        body = {"digest": package.digest, "path": str(package.folder), "lease": lease, **more}
        return self.client.put(f"/node/v1/replicas/{package.name}", json=body)

    def serve(self, package: Any, *, ttl_seconds: float = 60) -> None:
        lease = {"purpose": "serve", "run": None, "ttl_seconds": ttl_seconds}
        assert self.put(package, lease=lease).status_code == 200

    def ask(self, name: str, **body: Any) -> httpx.Response:
        body = {"prompt": "a cough", "max_tokens": 4, **body} if "messages" not in body else body
        return self.client.post("/node/v1/generate", json={"name": name, **body})


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in response.text.splitlines() if line]


@contextmanager
def running(port_file: Path, **options: Any) -> Iterator[Running]:
    settings = NodeOptions(name="n1", secret=SECRET, port_file=port_file, **options)
    node = build_node(settings)
    server = build_server(node, settings)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listening = threading.Event()
    startup = server.startup

    async def tell(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        listening.set()

    server.startup = tell  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert listening.wait(20)
    url = f"http://127.0.0.1:{port_file.read_text().strip()}"
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=30
    ) as client:
        yield Running(node, server, client, url)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive() and not node.engine.health()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:

        def begin(**options: Any) -> Running:
            options = {"engine": "memory", "base": tmp_path / "twin", **options}
            return stack.enter_context(running(tmp_path / "port", **options))

        yield begin


@pytest.fixture
def node(start: Callable[..., Running]) -> Running:
    return start(slots=2)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Script]:
    def make(slug: str = "triage", **content: Any) -> Script:
        folder = tmp_path / f"{slug}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "answers.json").write_text(json.dumps({"default": "low ward", **content}))
        digest = folder_digest(folder)
        return Script(folder, digest, f"{slug}@{digest[:12]}")

    return make
