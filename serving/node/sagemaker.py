"""The SageMaker contract on one node, made with the toolkit; it stands behind the node's secret."""

import time
import uuid
from collections.abc import AsyncIterator
from types import SimpleNamespace

from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.core.errors import DomainError
from serving.domain import openai_api, shown
from serving.domain.openai_answers import (
    AnswerHead,
    ChunkWriter,
    Usage,
    whole_body,
    withdrawn_event,
)
from serving.domain.openai_api import AskedAnswer, RequestRefused
from serving.engines.base import GenerateRequest, TokenEvent
from serving.engines.errors import AdapterUnknown, AdapterUnloadable
from serving.node.answering import Begun, begin, to_the_end
from serving.node.bodies import MAX_BODY_BYTES
from serving.node.problems import DigestMismatch
from serving.node.registrations import Registrations
from serving.node.state import Node
from serving.node.streams import ClientGone, EventStream
from serving.sagemaker.errors import AdapterNotFound
from serving.sagemaker.handlers import (
    inject_adapter_id,
    register_invocation_handler,
    register_load_adapter_handler,
    register_ping_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.registry import Registry
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response
from serving.sagemaker.starlette_views import create_routes

CLIENT_CLOSED = 499
FAILED_DEPENDENCY = 424


def routes_of(node: Node) -> list[Route]:
    """``/ping``, ``/invocations`` and ``/adapters`` of ``node``."""
    registry, named = Registry(), Registrations(node)

    @register_load_adapter_handler({"name": "body.name", "src": "body.src"}, registry=registry)
    async def load(data: SimpleNamespace, _: Request) -> Response:
        try:
            await named.register(name=data.name, source=data.src)
        except (AdapterUnloadable, DigestMismatch) as error:
            return Response({"detail": f"{error.message} {error.fix}".strip()}, FAILED_DEPENDENCY)
        return Response()

    @register_unload_adapter_handler({"name": "path_params.adapter_name"}, registry=registry)
    async def unload(data: SimpleNamespace, _: Request) -> Response:
        try:
            await named.unregister(data.name)
        except AdapterUnknown as error:
            raise AdapterNotFound(shown.adapter(data.name)) from error
        return Response()

    @inject_adapter_id("model", registry=Registry())
    async def invoke(raw_request: Request) -> StarletteResponse:
        return await _answered(node, named, raw_request)

    async def ping(_: Request) -> Response:
        return Response(b"", 200 if node.engine.health() else 503)

    async def listed(_: StarletteRequest) -> JSONResponse:
        rows = [
            {
                "name": row.name,
                "digest": row.digest,
                "state": row.state.value,
                "refs": row.refs,
                "registered_as": named.names_of(row.name),
            }
            for row in node.engine.loaded()
        ]
        return JSONResponse({"adapters": rows})

    register_invocation_handler(invoke, registry=registry)
    register_ping_handler(ping, registry=registry)
    made = [
        Route(route.path, WholeBody(route.app), methods=list(route.methods or ()))
        for route in create_routes(registry)
    ]
    return [*made, Route("/adapters", listed, methods=["GET"])]


class WholeBody:
    """Reads a body before its route does, and refuses one that is too large for a node."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        body, is_more = bytearray(), True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                detail = f"The body is larger than {MAX_BODY_BYTES} bytes."
                await JSONResponse({"detail": detail}, 413)(scope, receive, send)
                return
        told = False

        async def replayed() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replayed, send)


async def _answered(node: Node, named: Registrations, raw: Request) -> StarletteResponse:
    asked = _parsed(raw)
    version = named.version_of(asked.model)
    try:
        digest = node.require_permitted(version, "serve", None)
    except AdapterUnknown as error:
        raise AdapterNotFound(shown.adapter(asked.model)) from error
    request: StarletteRequest = raw.native
    head = AnswerHead(
        answer_id=f"node-{uuid.uuid4().hex}",
        public_name=asked.model,
        fingerprint=version,
        created_at_seconds=int(time.time()),
        is_chat=asked.is_chat,
    )
    try:
        begun = await begin(node, _generate_request(version, asked), digest, request)
        if asked.stream:
            return EventStream(_chunks(begun, head, asked))
        whole = await to_the_end(begun, request)
    except ClientGone:
        return StarletteResponse(status_code=CLIENT_CLOSED)
    body = whole_body(
        head, text=whole.text, finish=str(whole.last.finish), usage=_usage(whole.last)
    )
    return StarletteResponse(body, media_type="application/json")


def _parsed(raw: Request) -> AskedAnswer:
    body = raw.data
    if "messages" in body:
        return openai_api.parse_chat(body)
    if "prompt" in body:
        return openai_api.parse_completion(body)
    raise RequestRefused("Neither messages nor prompt is given.", fix="Send one of them.")


def _generate_request(version: str, asked: AskedAnswer) -> GenerateRequest:
    return GenerateRequest(
        name=version,
        messages=asked.messages,
        prompt=asked.prompt,
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        stop=asked.stop,
        seed=asked.seed,
    )


def _usage(last: TokenEvent) -> Usage:
    return Usage(last.prompt_tokens or 0, last.completion_tokens or 0)


async def _chunks(begun: Begun, head: AnswerHead, asked: AskedAnswer) -> AsyncIterator[bytes]:
    """The answer as it comes; one that is withdrawn ends with an error and no ``[DONE]``."""
    writer = ChunkWriter(head, include_usage=asked.include_usage)
    event, tokens, finish = begun.first, 1, "cancelled"
    try:
        while True:
            if event.text:
                yield writer.text(event.text)
            if event.finish is not None:
                finish = event.finish
                yield writer.end(finish=finish, usage=_usage(event))
                return
            event = await begun.answer.next()
            tokens += 1
    except DomainError as error:
        finish = "stopped" if error.code == "stopped" else "failed"
        yield withdrawn_event(error.code)
    finally:
        await begun.answer.aclose()
        begun.on_end(finish, tokens)
