"""An address that holds NUL is refused before anything looks for what it names."""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.contracts import refusal_at
from config.core.problems import problem


class NulAddressMiddleware:
    """Answers 400, in the shape of the contract that is there: no database text holds NUL."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        if "\x00" not in request.path and "%00" not in request.META.get("QUERY_STRING", ""):
            return self._get_response(request)
        told = refusal_at(
            request.path,
            problem(
                status=400,
                code="invalid",
                title="Invalid",
                detail="The address holds the character U+0000.",
                fix="Send it without.",
            ),
        )
        return HttpResponse(json.dumps(told.body), status=400, headers=dict(told.headers))
