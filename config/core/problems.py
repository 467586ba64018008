"""Errors as RFC 9457 problem documents, for DRF views and for Django's own 404 and 500."""

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response

from config.core import object_store
from config.core.errors import DomainError, StoreAway
from config.core.middleware import request_id_var

CONTENT_TYPE = "application/problem+json"
MAX_CODE_LETTERS = 100
log = structlog.get_logger(__name__)


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    fix: str = "",
    errors: list[Any] | None = None,
) -> dict[str, Any]:
    """The body of a problem document."""
    body: dict[str, Any] = {
        "type": f"/docs/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id_var.get(),
    }
    if fix:
        body["fix"] = fix
    if errors:
        body["errors"] = errors
    return body


def of_domain_error(error: DomainError) -> dict[str, Any]:
    """The problem document of a domain error."""
    return problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.message,
        fix=error.fix,
        errors=error.errors,
    )


def _flatten(detail: Any, where: str = "") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        return [row for key, value in detail.items() for row in _flatten(value, f"{where}/{key}")]
    if isinstance(detail, list):
        return [
            row
            for index, value in enumerate(detail)
            for row in _flatten(value, where if isinstance(value, str) else f"{where}/{index}")
        ]
    return [{"pointer": where or "/", "message": str(detail)}]


def _title(error: exceptions.APIException) -> str:
    """The kind of problem in words: the same for every such refusal; ``detail`` says the rest."""
    return str(error.default_code).replace("_", " ").capitalize()


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal becomes a problem document."""
    if isinstance(error, object_store.refusals()):
        log.warning("store.away", error_type=type(error).__name__)
        error = StoreAway(
            "The object store does not answer, or refuses.",
            fix="Send the request again later; if it lasts, an administrator looks at the store.",
            retry_after_seconds=30,
        )
    if isinstance(error, DomainError):
        headers = {}
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        return Response(
            of_domain_error(error),
            status=error.status,
            headers=headers,
            content_type=CONTENT_TYPE,
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    is_invalid = isinstance(error, exceptions.ValidationError)
    rows = _flatten(error.detail)
    body = problem(
        status=error.status_code,
        code="invalid" if is_invalid else str(error.default_code).replace("_", "-"),
        title="The input is not valid" if is_invalid else _title(error),
        detail="; ".join(
            row["message"] if row["pointer"] == "/" else f"{row['pointer']}: {row['message']}"
            for row in rows
        ),
        errors=rows if is_invalid else None,
    )
    return Response(body, status=error.status_code, headers=headers, content_type=CONTENT_TYPE)


def _wants_page(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")


def respond(request: HttpRequest, body: dict[str, Any]) -> HttpResponse:
    """A problem as a page for people, or as JSON for programs."""
    if _wants_page(request):
        return render(request, "problem.html", {"problem": body}, status=body["status"])
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404."""
    return respond(
        request,
        problem(status=404, code="not-found", title="Not found", detail="There is nothing here."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler403."""
    return respond(
        request,
        problem(
            status=403,
            code="forbidden",
            title="Not allowed",
            detail=str(exception or "Your account may not do this."),
        ),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: says that it is our fault, and the id under which it is logged."""
    return respond(
        request,
        problem(
            status=500,
            code="internal",
            title="Something failed here",
            detail="This is our fault, not yours. Nothing was half done; it is safe to try again.",
        ),
    )


def page(request: HttpRequest, code: str) -> HttpResponse:
    """The page under docs/problems/ that a problem document's ``type`` points at."""
    path = settings.BASE_DIR / "docs" / "problems" / f"{code}.md"
    if len(code) > MAX_CODE_LETTERS or not path.is_file():
        return not_found(request)
    return HttpResponse(path.read_text(), content_type="text/plain; charset=utf-8")
