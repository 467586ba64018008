"""Pages that meet a busy database are answered with 503 instead of 500."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from config.core.database_errors import as_busy
from config.core.problems import of_domain_error, respond


class BusyDatabaseMiddleware:
    """Answers 503 for pages whose view, or template, met a busy database.

    The API's views do the same themselves, each contract in its own shape.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The refusal, or None where it is a fault of ours."""
        busy = as_busy(error)
        if busy is None:
            return None
        response = respond(request, of_domain_error(busy))
        response["Retry-After"] = str(busy.retry_after_seconds)
        return response
