"""``POST /invocations``: inference as SageMaker's clients ask for it, by the gateway's rules."""

from typing import Any

from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope, Send

from config.accounts.roles import Act
from config.core.errors import DomainError, ErrorKind
from serving.domain import openai_api, shown
from serving.domain.openai_api import AskedAnswer, RequestRefused
from serving.gateway import asking
from serving.gateway.answering import find_route
from serving.gateway.bodies import read_body
from serving.gateway.errors import ModelNotFound
from serving.gateway.gateway import Gateway
from serving.metrics.answers import ANSWERS
from serving.sagemaker.adapters import get_adapter_alias_from_request_header
from serving.sagemaker.constants import SageMakerLoRAApiHeader
from serving.sagemaker.errors import AdapterNotFound, HTTPException, refusal_of
from serving.sagemaker.requests import Request
from serving.sagemaker.starlette_views import to_starlette
from serving.sagemaker.transforms import AdapterHeaderToBodyApiTransform

PATHS = ("/invocations", "/sagemaker/invocations")
_TO_MODEL = AdapterHeaderToBodyApiTransform(
    {"model": f'headers."{SageMakerLoRAApiHeader.ADAPTER_IDENTIFIER}"'}
)


class Invocations:
    """Answers with exactly the adapter that header or body name; the base never stands in.

    The body is that of ``/v1/chat/completions`` (it has ``messages``) or of ``/v1/completions``
    (it has ``prompt``), and so is the answer. Refusals are ``{"detail": …}``.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = StarletteRequest(scope, receive)
        alias = get_adapter_alias_from_request_header(Request(headers=request.headers))
        try:
            if request.method != "POST":
                raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})
            await self._answer(request, send)
        except ClientDisconnect:
            return
        except (DomainError, HTTPException) as error:
            refused = refusal_of(error, alias=alias)
            if refused is None:
                raise
            if isinstance(error, DomainError):
                ANSWERS.refused(error.code)
                if error.kind is ErrorKind.UNAUTHENTICATED:
                    refused.headers["WWW-Authenticate"] = "Bearer"
            await to_starlette(refused)(scope, receive, send)

    async def _answer(self, request: StarletteRequest, send: Send) -> None:
        gateway = self._gateway
        grant = await gateway.access.grant_of(request.headers, scope=Act.INFER)
        unit = asking.unit_of(request)
        raw = Request(
            body=await read_body(request, gateway.limits.body_bytes), headers=request.headers
        )
        await _TO_MODEL.transform_request(raw)
        asked = _parsed(raw)
        try:
            # Names that differ in case alone are one name.
            route = find_route(gateway, asked.model.lower())
        except ModelNotFound as error:
            ANSWERS.refused(error.code)
            raise AdapterNotFound(shown.adapter(asked.model)) from None
        await asking.answer(
            gateway,
            route=route,
            asked=asked,
            grant=grant,
            unit=unit,
            receive=request.receive,
            send=send,
        )


def _parsed(raw: Request) -> AskedAnswer:
    body: dict[str, Any] = raw.data
    if "messages" in body:
        return openai_api.parse_chat(body)
    if "prompt" in body:
        return openai_api.parse_completion(body)
    raise RequestRefused("Neither messages nor prompt is given.", fix="Send one of them.")
