"""The data plane's routes; those of ``/v1/*`` refuse in OpenAI's shape."""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.accounts.roles import Act
from config.core.errors import DomainError, ErrorKind
from config.core.middleware import request_id_var
from serving.domain import openai_api
from serving.domain.openai_answers import error_body
from serving.domain.openai_api import AskedAnswer
from serving.domain.routing import DeploymentRoute, Standing
from serving.gateway import asking, invocations
from serving.gateway.answering import find_route
from serving.gateway.bodies import read_body
from serving.gateway.feedback import FeedbackEndpoint
from serving.gateway.gateway import Gateway
from serving.gateway.hosts import AllowedHosts
from serving.gateway.invocations import Invocations
from serving.metrics.answers import ANSWERS
from serving.sagemaker.constants import MODEL_SERVER_ERROR

log = structlog.get_logger(__name__)

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_KINDS: Mapping[ErrorKind, str] = {
    ErrorKind.UNAUTHENTICATED: "authentication_error",
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.UNAVAILABLE: "server_error",
}
Parse = Callable[[Mapping[str, Any]], AskedAnswer]


def build_app(gateway: Gateway) -> ASGIApp:
    """The application over ``gateway``, which the caller starts and stops."""
    app = Starlette(
        routes=[
            Route("/v1/models", _Models(gateway), methods=["GET"]),
            Route("/v1/models/{name}", _Models(gateway), methods=["GET"]),
            Route(
                "/v1/chat/completions",
                _Answers(gateway, openai_api.parse_chat),
                methods=["POST"],
            ),
            Route(
                "/v1/completions", _Answers(gateway, openai_api.parse_completion), methods=["POST"]
            ),
            Route("/v1/feedback", FeedbackEndpoint(gateway), methods=["POST"]),
            *(Route(path, Invocations(gateway)) for path in invocations.PATHS),
        ],
        exception_handlers={
            DomainError: _on_domain_error,
            HTTPException: _on_http_error,
            Exception: _on_defect,
        },
    )
    # A redirect would send the token once more, and clients follow it in different ways.
    app.router.redirect_slashes = False
    return RequestIds(AllowedHosts(app))


class RequestIds:
    """Gives each request an id for logs, and answers with it as ``X-Request-Id``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id_var.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            request_id_var.reset(token)


class _Models:
    """``GET /v1/models`` and ``GET /v1/models/{name}``: what would answer now."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = Request(scope, receive)
        await self._gateway.access.grant_of(request.headers, scope=Act.INFER)
        name = request.path_params.get("name")
        if name is not None:
            body = _model(find_route(self._gateway, name))
        else:
            routes = self._gateway.snapshots.current.deployments.values()
            listed = [_model(route) for route in routes if self._is_routable(route)]
            body = {"object": "list", "data": sorted(listed, key=lambda model: model["id"])}
        await JSONResponse(body)(scope, receive, send)

    def _is_routable(self, route: DeploymentRoute) -> bool:
        sides = [route.stable, None if route.canary is None else route.canary.target]
        return any(
            self._gateway.snapshots.standing(route, side) is Standing.ROUTABLE
            for side in sides
            if side is not None
        )


def _model(route: DeploymentRoute) -> dict[str, Any]:
    created = 0 if route.created_at is None else int(route.created_at.timestamp())
    return {
        "id": route.public_name,
        "object": "model",
        "created": created,
        "owned_by": "formulary",
    }


class _Answers:
    """``POST /v1/chat/completions`` and ``POST /v1/completions``."""

    def __init__(self, gateway: Gateway, parse: Parse) -> None:
        self._gateway = gateway
        self._parse = parse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; hang up on the node when the client hangs up on us."""
        request = Request(scope, receive)
        gateway = self._gateway
        grant = await gateway.access.grant_of(request.headers, scope=Act.INFER)
        unit = asking.unit_of(request)
        try:
            raw = await read_body(request, gateway.limits.body_bytes)
        except ClientDisconnect:
            return
        asked = self._parse(openai_api.parse_body(raw))
        route = find_route(gateway, asked.model)
        await asking.answer(
            gateway,
            route=route,
            asked=asked,
            grant=grant,
            unit=unit,
            receive=receive,
            send=send,
        )


async def _on_domain_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    ANSWERS.refused(error.code)
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    body = error_body(
        message=f"{error.message} {error.fix}".strip(),
        kind=_KINDS.get(error.kind, "invalid_request_error"),
        code=error.code,
        param=getattr(error, "param", None),
    )
    return JSONResponse(body, status_code=error.status, headers=headers)


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = error_body(
        message=f"{error.detail}. See docs/serving/gateway.md for the paths and methods.",
        kind="invalid_request_error",
        code="unknown_url" if error.status_code == 404 else "method_not_allowed",
    )
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _on_defect(request: Request, error: Exception) -> Response:
    log.error("gateway.defect", exc_info=error)
    ANSWERS.refused("internal")
    if request.url.path in invocations.PATHS:
        return JSONResponse({"detail": MODEL_SERVER_ERROR}, status_code=500)
    body = error_body(
        message="Something failed here. This is our fault; it is safe to try again.",
        kind="server_error",
        code="internal",
    )
    return JSONResponse(body, status_code=500)
