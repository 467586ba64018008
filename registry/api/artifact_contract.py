"""How the artifact contract speaks: its errors, CORS headers, and the Lambda envelope over HTTP."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.response import Response

from config.accounts.api.base import ApiView
from config.core.errors import DomainError
from config.core.negotiation import AnyAccept
from config.core.problems import exception_handler

NOT_FOUND = {"error": "Not found", "error_code": "NOT_FOUND"}
ENVELOPE = "X-Response-Envelope"
# Our code → the contract's status, where it is another, and its code.
CONTRACT_CODES: Mapping[str, tuple[int | None, str]] = {
    "artifact-type-invalid": (None, "INVALID_ARTIFACT_TYPE"),
    "artifact-id-missing": (None, "MISSING_ID"),
    "artifact-body-missing": (None, "MISSING_BODY"),
    "model-record-not-found": (None, "MODEL_NOT_FOUND"),
    "artifact-not-found": (None, "ARTIFACT_NOT_FOUND"),
    "artifact-not-stored": (500, "S3_UPLOAD_ERROR"),
    "artifact-unreadable": (500, "S3_DOWNLOAD_ERROR"),
    "record-not-mirrored": (500, "DYNAMODB_SAVE_ERROR"),
}
CORS: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, X-Authorization, X-API-Key, Content-Type, "
    f"X-Model-Name, {ENVELOPE}, Idempotency-Key",
    "Access-Control-Expose-Headers": "Content-Disposition, ETag, X-Request-Id",
}


class ArtifactContractView(ApiView):
    """A view of the contract: errors as ``{error, error_code}``, CORS headers on every answer."""

    content_negotiation_class = AnyAccept

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Nobody for a browser's preflight, which never carries credentials."""
        return [] if _is_preflight(self.request) else super().get_authenticators()

    def get_permissions(self) -> list[BasePermission]:
        """None for a browser's preflight."""
        return [] if _is_preflight(self.request) else list(super().get_permissions())  # type: ignore[arg-type]

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """The contract's errors instead of problem documents."""
        return contract_error

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """What a browser asks before it calls from another origin."""
        return Response(status=204)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Handle one request; whole answers go into the envelope here, files where they stream."""
        response = super().dispatch(request, *args, **kwargs)
        for name, value in CORS.items():
            response[name] = value
        if is_enveloped(request) and not response.streaming and response.status_code != 204:
            return _wrapped(response)
        return response


def is_enveloped(request: HttpRequest) -> bool:
    """Whether the caller wants the answer as a Lambda function gives it."""
    return request.headers.get(ENVELOPE, "").strip().lower() == "lambda"


def contract_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler of this contract."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.MethodNotAllowed):
        return Response(NOT_FOUND, status=404)
    problem: Mapping[str, Any] = response.data
    status, code = CONTRACT_CODES.get(
        problem["code"], (None, problem["code"].upper().replace("-", "_"))
    )
    text = f"{error.message} {error.fix}" if isinstance(error, DomainError) else problem["detail"]
    made = Response(
        {"error": text.strip(), "error_code": code}, status=status or response.status_code
    )
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in response:
            made[name] = response[name]
    return made


def not_found(request: HttpRequest, **_: str) -> HttpResponse:
    """Whatever the contract doesn't know."""
    return JsonResponse(NOT_FOUND, status=404, headers=dict(CORS))


def failed(request: HttpRequest) -> HttpResponse:
    """The handler500 of a Lambda function: a program reads it, never a page."""
    said = "Something failed here. This is our fault; it is safe to send the request again."
    return JsonResponse({"error": said, "error_code": "INTERNAL"}, status=500, headers=dict(CORS))


def enveloped_pieces(headers: Mapping[str, str], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The envelope of a file as JSON, its base64 made while it streams."""
    head = json.dumps({"statusCode": 200, "headers": dict(headers), "isBase64Encoded": True})
    yield head[:-1].encode() + b', "body": "'
    left = b""
    for piece in pieces:
        whole = left + piece
        cut = len(whole) - len(whole) % 3
        left = whole[cut:]
        yield b64encode(whole[:cut])
    yield b64encode(left) + b'"}'


def _wrapped(response: HttpResponseBase) -> HttpResponse:
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    assert isinstance(response, HttpResponse)
    envelope = {
        "statusCode": response.status_code,
        "headers": dict(response.items()),
        "body": response.content.decode(),
        "isBase64Encoded": False,
    }
    return JsonResponse(envelope, status=response.status_code, headers=dict(CORS))


def _is_preflight(request: Any) -> bool:
    return getattr(request, "method", None) == "OPTIONS"
