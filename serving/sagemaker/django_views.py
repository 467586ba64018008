"""The bridge to Django: handlers as views, requests and answers in both directions."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from config.core.database_errors import as_busy
from serving.sagemaker.constants import MODEL_SERVER_ERROR
from serving.sagemaker.errors import refusal_of
from serving.sagemaker.factory import respond, waits
from serving.sagemaker.registry import Handler
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response

log = logging.getLogger(__name__)
View = Callable[..., Any]
T = TypeVar("T")


def read_request(
    request: HttpRequest, path_params: Mapping[str, Any], *, native: Any = None
) -> Request:
    """Django's request as the toolkit's.

    Raises:
        RequestDataTooBig: the body is longer than Django's setting allows.
    """
    return Request(
        body=request.body,
        headers=request.headers,
        query_params=request.GET.dict(),
        path_params={name: str(value) for name, value in path_params.items()},
        native=native or request,
    )


def to_http(response: Response) -> HttpResponseBase:
    """The toolkit's answer as Django's; an answer of Django's own goes out untouched."""
    if isinstance(response.native, HttpResponseBase):
        return response.native
    made = HttpResponse(response.body, status=response.status_code)
    kind = response.headers.get("Content-Type")
    if kind is None:
        del made["Content-Type"]
    for name, value in response.end_to_end_headers.items():
        made[name.title()] = value
    return made


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, without an event loop.

    A synchronous handler is called in the thread of its view, where transactions and the ORM are.

    Raises:
        RuntimeError: it waits after all.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("A translation that awaits something needs a handler that is async")


def sagemaker_view(handler: Handler) -> View:
    """One handler as a Django view for every method; async where the handler is."""
    return dispatching_view({}, other=None, always=handler)


def dispatching_view(
    handlers: Mapping[str, Handler], *, other: View | None = None, always: Handler | None = None
) -> View:
    """A view that chooses the handler by method; ``other`` takes the methods that have none."""

    def chosen(request: HttpRequest) -> Handler | None:
        method = "GET" if request.method == "HEAD" else str(request.method)
        return always or handlers.get(method)

    def not_allowed() -> HttpResponse:
        answer = Response({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(handlers)})
        return HttpResponse(answer.body, status=405, headers=dict(answer.headers))

    def view(request: HttpRequest, *args: Any, **path_params: Any) -> Any:
        handler = chosen(request)
        if handler is not None:
            return _answer(handler, request, path_params)
        return other(request, *args, **path_params) if other else not_allowed()

    async def async_view(request: HttpRequest, *args: Any, **path_params: Any) -> Any:
        handler = chosen(request)
        if handler is not None and waits(handler):
            return await _answer_async(handler, request, path_params)
        if handler is None and other is not None and waits(other):
            return await other(request, *args, **path_params)
        return await sync_to_async(view)(request, *args, **path_params)

    needs_loop = any(waits(handler) for handler in [*handlers.values(), always, other] if handler)
    # Programs call it with a token or not at all, never with a browser's cookie.
    return csrf_exempt(async_view if needs_loop else view)


def _answer(
    handler: Handler, request: HttpRequest, path_params: Mapping[str, Any]
) -> HttpResponseBase:
    try:
        return to_http(run_to_end(respond(handler, read_request(request, path_params))))
    except Exception as error:  # noqa: BLE001 - the contract's outermost frame: never HTML
        refusal = _refusal(error)
        if refusal is None:
            got_request_exception.send(sender=Handler, request=request)
            refusal = _fault(error, request)
        return to_http(refusal)


async def _answer_async(
    handler: Handler, request: HttpRequest, path_params: Mapping[str, Any]
) -> HttpResponseBase:
    try:
        return to_http(await respond(handler, read_request(request, path_params)))
    except Exception as error:  # noqa: BLE001 - as above
        refusal = _refusal(error)
        if refusal is None:
            await sync_to_async(got_request_exception.send)(sender=Handler, request=request)
            refusal = _fault(error, request)
        return to_http(refusal)


def _refusal(error: Exception) -> Response | None:
    """Django's own refusals in the contract's shape."""
    if isinstance(error, Http404):
        return Response({"detail": "Not Found"}, 404)
    if isinstance(error, PermissionDenied):
        return Response({"detail": "Forbidden"}, 403)
    if isinstance(error, RequestDataTooBig):
        return Response({"detail": "The request body is too large"}, 413)
    busy = as_busy(error)
    return None if busy is None else refusal_of(busy)


def _fault(error: Exception, request: HttpRequest) -> Response:
    for connection in connections.all(initialized_only=True):
        # Where a request is one transaction, a fault must not commit half of it.
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)
    # The text of an error may hold what a patient wrote; its kind and the route do not.
    route = request.resolver_match.route if request.resolver_match else ""
    log.error("%s /%s failed with %s", request.method, route, type(error).__name__)
    return Response({"detail": MODEL_SERVER_ERROR}, 500)
