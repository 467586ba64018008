"""Starting a node: engine, socket, port file, and an orderly end on SIGTERM."""

import argparse
import asyncio
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from config.core.errors import DomainError
from config.core.starting import undisturbed_imports
from registry.domain.base_folder import base_facts
from serving.engines import ENGINES, engine_class
from serving.engines.errors import EngineRefused
from serving.node.app import build_app
from serving.node.log import configure_log
from serving.node.state import Node

log = structlog.get_logger("node")
SECRET_VARIABLE = "FORMULARY_NODE_SECRET"  # noqa: S105 - the variable's name
MIN_SECRET_CHARS = 16
DRAIN_SECONDS = 5
CUT_SECONDS = 2
"""After the drain, the time in which late answers are told that they have failed."""
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that none is closed under a new request."""
HALF_THE_PROCESSORS = max(1, (os.cpu_count() or 2) // 2)
"""Torch's threads wait for each other all the time; on busy processors more of them are slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What a node is started with; ``base`` is a folder."""

    engine: str
    base: Path
    name: str
    secret: str
    host: str = "127.0.0.1"
    port: int = 0
    slots: int = 8
    max_rank: int = 64
    max_model_len: int = 1024
    dtype: str = "float32"
    threads: int = HALF_THE_PROCESSORS
    expect_digest: str | None = None
    port_file: Path | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``manage.py serve_node`` and of ``python -m serving.node``."""
    parser.add_argument("--engine", choices=sorted(ENGINES), default="torch")
    parser.add_argument("--base", required=True, help="base model folder, or its name under models")
    parser.add_argument("--name", required=True, help="this node's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one; see --port-file")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--max-rank", type=int, default=64)
    parser.add_argument("--max-model-len", type=int, default=1024, help="prompt and answer, tokens")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=HALF_THE_PROCESSORS, help="torch's threads")
    parser.add_argument("--secret-file", type=Path, help=f"else the variable {SECRET_VARIABLE}")
    parser.add_argument("--expect-digest", help="hash the whole base and refuse another digest")
    parser.add_argument("--port-file", type=Path, help="written when the node listens")


def options_from(arguments: argparse.Namespace, *, models: Path) -> NodeOptions:
    """Typed options; a base that is no folder is looked for under ``models``.

    Raises:
        EngineRefused: there is no secret, or it is too short.
    """
    given = Path(arguments.base)
    base = given if given.is_dir() or given.is_absolute() else models / arguments.base
    return NodeOptions(
        engine=arguments.engine,
        base=base,
        name=arguments.name,
        secret=_read_secret(arguments.secret_file),
        host=arguments.host,
        port=arguments.port,
        slots=arguments.slots,
        max_rank=arguments.max_rank,
        max_model_len=arguments.max_model_len,
        dtype=arguments.dtype,
        threads=arguments.threads,
        expect_digest=arguments.expect_digest,
        port_file=arguments.port_file,
    )


def _read_secret(file: Path | None) -> str:
    secret = file.read_text().strip() if file else os.environ.get(SECRET_VARIABLE, "")
    if len(secret) < MIN_SECRET_CHARS:
        raise EngineRefused(
            f"the node's secret has {len(secret)} characters, at least {MIN_SECRET_CHARS} are "
            "needed",
            fix=f"Give --secret-file or set {SECRET_VARIABLE}.",
        )
    return secret


def build_node(options: NodeOptions) -> Node:
    """Check the base, then load the engine with it.

    Raises:
        EngineRefused: the base has another digest than expected.
        DomainError: the base or the settings do not suit the engine.
    """
    if options.expect_digest is not None and options.engine != "memory":
        found = base_facts(options.base, trust_cache=False).digest
        if found != options.expect_digest:
            raise EngineRefused(
                f"{options.base} has digest {found}, {options.expect_digest} was expected",
                fix="Give the node the base model that its registration names.",
            )
    engine = engine_class(options.engine)(  # type: ignore[call-arg]
        base=options.base,
        slots=options.slots,
        max_rank=options.max_rank,
        max_model_len=options.max_model_len,
        dtype=options.dtype,
        threads=options.threads,
    )
    if options.expect_digest not in (None, engine.capabilities().base_digest):
        engine.close()
        raise EngineRefused(
            f"the engine's base has digest {engine.capabilities().base_digest}, "
            f"{options.expect_digest} was expected",
            fix="Give the node the base model that its registration names.",
        )
    return Node(name=options.name, base_name=options.base.name, engine=engine)


class NodeServer(uvicorn.Server):
    """uvicorn that writes the port file once it listens, drains, and ends with exit status 0."""

    def __init__(self, config: uvicorn.Config, node: Node, port_file: Path | None) -> None:
        super().__init__(config)
        self._node = node
        self.port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell the port: written beside and renamed, so nobody reads half of it."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self.config.port
        if self.port_file is not None and self.started:
            beside = self.port_file.with_name(f".{self.port_file.name}.{os.getpid()}")
            beside.write_text(f"{port}\n")
            beside.replace(self.port_file)
        log.info("node.listening", port=port, pid=os.getpid())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more; answers that outlast the drain end with a line that says so."""

        async def end_late_answers() -> None:
            await asyncio.sleep(DRAIN_SECONDS)
            await self._node.end_all()

        late = asyncio.create_task(end_late_answers())
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Drain on SIGTERM and SIGINT; uvicorn would raise the signal again at the end."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def build_server(node: Node, options: NodeOptions) -> NodeServer:
    """A server for ``node`` that has not started yet."""
    config = uvicorn.Config(
        build_app(node, secret=options.secret),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS + CUT_SECONDS,
    )
    return NodeServer(config, node, options.port_file)


def serve(options: NodeOptions) -> None:
    """Run a node until SIGTERM or SIGINT; running answers get ``DRAIN_SECONDS`` to end.

    Raises:
        DomainError: the node can't start; the message says why.
    """
    configure_log()
    with undisturbed_imports():
        node = build_node(options)
    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        node.engine.close()
        raise EngineRefused(
            f"{options.host}:{options.port} can't be listened on: {error.strerror}",
            fix="Choose another port, or 0 for a free one.",
        ) from error
    structlog.contextvars.bind_contextvars(node=options.name)
    build_server(node, options).run(sockets=[listener])


def main(argv: list[str] | None = None, *, models: Path = Path("var/models")) -> int:
    """``python -m serving.node``: the node without Django; returns the exit status."""
    parser = argparse.ArgumentParser(prog="serving.node", description="Serve one base model.")
    add_arguments(parser)
    try:
        serve(options_from(parser.parse_args(argv), models=models))
    except DomainError as error:
        parser.exit(2, f"{error.message}\n{error.fix}\n")
    return 0
