"""Gives each request an id that logs, problems and audit events share."""

import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse, JsonResponse

request_id_var: ContextVar[str] = ContextVar("request_id", default="")
# In the words of every contract: which of them is asked for is not known yet.
NUL = "The address holds the character U+0000."
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Takes a well-formed ``X-Request-Id`` or makes one, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _GIVEN.fullmatch(given) else uuid.uuid4().hex
        token = request_id_var.set(request_id)
        try:
            response: HttpResponse
            if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
                # No database text holds NUL: such an address names nothing.
                response = JsonResponse(
                    {"detail": NUL, "error": NUL, "error_code": "INVALID", "code": "invalid"},
                    status=400,
                )
            else:
                response = self.get_response(request)
        finally:
            request_id_var.reset(token)
        response["X-Request-Id"] = request_id
        return response
