"""The node's routes: an ASGI application over one ``Node``."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from config.core.errors import DomainError
from serving.node import metrics as node_metrics
from serving.node.answering import begin
from serving.node.bodies import (
    parse_generate,
    parse_leases,
    parse_replica,
    parse_stops,
    read_object,
)
from serving.node.problems import ProblemResponse, Unauthorized, problem_response
from serving.node.sagemaker import CLIENT_CLOSED, routes_of
from serving.node.state import Node
from serving.node.streams import ClientGone, EventStream, event_lines

OPEN_PATHS = frozenset({"/healthz"})


class BearerGuard:
    """Lets a request pass only with ``Authorization: Bearer <secret>``, compared in fixed time."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then hand on."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                error = Unauthorized(
                    "the Authorization header does not hold this node's secret",
                    fix="Send Authorization: Bearer <the secret issued at registration>.",
                )
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


Handler = Callable[[Node, Request], Awaitable[Response]]


def _bind(node: Node, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handler(node, request)

    return endpoint


def build_app(node: Node, *, secret: str) -> ASGIApp:
    """The application of ``node``; every route but ``/healthz`` asks for ``secret``."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        node.engine.close()

    replica = "/node/v1/replicas/{name}"
    app = Starlette(
        routes=[
            Route("/healthz", _bind(node, healthz), methods=["GET"]),
            Route("/node/v1/status", _bind(node, status), methods=["GET"]),
            Route("/node/v1/metrics", _bind(node, metrics), methods=["GET"]),
            Route(replica, _bind(node, put_replica), methods=["PUT"]),
            Route(replica, _bind(node, delete_replica), methods=["DELETE"]),
            Route("/node/v1/leases", _bind(node, put_leases), methods=["PUT"]),
            Route("/node/v1/stops", _bind(node, put_stops), methods=["PUT"]),
            Route("/node/v1/generate", _bind(node, generate), methods=["POST"]),
            *routes_of(node),
        ],
        exception_handlers={DomainError: _on_domain_error, HTTPException: _on_http_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return BearerGuard(app, secret)


async def _on_domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return problem_response(error)


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {
        "type": "about:blank",
        "title": error.detail,
        "status": error.status_code,
        "code": "no_route",
        "detail": error.detail,
        "fix": "See the node's routes in docs/serving/node.md.",
    }
    return ProblemResponse(body, status_code=error.status_code, headers=error.headers)


async def healthz(node: Node, _: Request) -> Response:
    """200 when the model is loaded and its thread lives, else 503."""
    healthy = node.engine.health()
    return JSONResponse({"healthy": healthy}, status_code=200 if healthy else 503)


async def status(node: Node, _: Request) -> Response:
    """Who the node is and what it holds."""
    return JSONResponse(node.status())


async def metrics(node: Node, _: Request) -> Response:
    """Numbers for Prometheus, which sends the node's secret."""
    return Response(node_metrics.exposition(node), media_type=node_metrics.CONTENT_TYPE)


async def put_replica(node: Node, request: Request) -> Response:
    """Verify, load and publish a package folder."""
    name = request.path_params["name"]
    digest, path, lease = parse_replica(await read_object(request), name=name)
    await node.load(name, digest, path, lease)
    return JSONResponse(
        {"name": name, "digest": digest, "boot_id": node.boot_id, "state": "loaded"}
    )


async def delete_replica(node: Node, request: Request) -> Response:
    """Drop a name; its slot is zeroed after its last answer."""
    return JSONResponse({"state": await node.unload(request.path_params["name"])})


async def put_leases(node: Node, request: Request) -> Response:
    """Replace all leases."""
    leases, counted_from_seconds = parse_leases(await read_object(request))
    node.leases.replace_all(leases, counted_from_seconds=counted_from_seconds)
    return JSONResponse({"leases": len(leases), "boot_id": node.boot_id})


async def put_stops(node: Node, request: Request) -> Response:
    """Replace the stops; in force before the reply is sent."""
    epoch, digests = parse_stops(await read_object(request))
    await node.apply_stops(epoch, digests)
    return JSONResponse({"epoch": node.stops.epoch, "boot_id": node.boot_id})


async def generate(node: Node, request: Request) -> Response:
    """Stream an answer of exactly the named version."""
    body = parse_generate(await read_object(request))
    name = body.request.name
    if name is None:
        digest = node.engine.capabilities().base_digest
        node.stops.require_allowed(digest)
    else:
        digest = node.require_permitted(name, body.purpose, body.run)
    try:
        begun = await begin(node, body.request, digest, request)
    except ClientGone:
        return Response(status_code=CLIENT_CLOSED)
    return EventStream(event_lines(begun.answer, begun.first, begun.on_end))
