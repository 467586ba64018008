"""What monitors ask, in front of everything that needs a host name, TLS, a session or a database.

A probe inside a container asks http://127.0.0.1 and can't follow a redirect to HTTPS; and health
must be told while the database hangs, where nobody can be authenticated.
"""

import hmac
from collections.abc import Callable, Mapping
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from config.core.problems import problem, respond
from serving.health import answers
from serving.health.measuring import measured_for
from serving.metrics.exposition import CONTENT_TYPE, exposition

View = Callable[[HttpRequest], HttpResponse]


def _for_reading(view: View) -> View:
    """The view, with a refusal of every method but GET and HEAD that a program can read."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        detail = f'Method "{request.method}" not allowed.'
        refused = respond(
            request,
            problem(
                status=405, code="method-not-allowed", title="Method not allowed", detail=detail
            ),
        )
        refused["Allow"] = "GET, HEAD"
        return refused

    return answered


@_for_reading
def live(request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return _unstored(JsonResponse({"status": "ok"}))


@_for_reading
def health(request: HttpRequest) -> HttpResponse:
    """State by part, for everybody; 503 when nothing can be done."""
    measured = measured_for(request)
    body = answers.short(measured)
    return _unstored(JsonResponse(body, status=answers.status_code(measured)))


@_for_reading
def ping(request: HttpRequest) -> HttpResponse:
    """SageMaker's question whether requests may be sent: 200 or 503, without a body."""
    return _unstored(HttpResponse(status=answers.status_code(measured_for(request))))


@_for_reading
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text, to who has METRICS_TOKEN."""
    if not settings.METRICS_TOKEN:
        return respond(
            request,
            problem(
                status=404,
                code="not-found",
                title="Not found",
                detail="Metrics are not told here.",
                fix="Set METRICS_TOKEN and give it to Prometheus.",
            ),
        )
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode(errors="replace")
    if not hmac.compare_digest(given, expected):
        refused = respond(
            request,
            problem(
                status=401,
                code="not-authenticated",
                title="Not authenticated",
                detail="The Authorization header does not hold METRICS_TOKEN.",
                fix="Send Authorization: Bearer <METRICS_TOKEN>.",
            ),
        )
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    return _unstored(HttpResponse(exposition(measured_for(request)), content_type=CONTENT_TYPE))


def _unstored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response


VIEWS: Mapping[str, View] = {
    "/health": health,
    "/health/live": live,
    "/metrics": metrics,
    "/avatar/health": health,
    "/manager/health": health,
    "/ping": ping,
    "/sagemaker/ping": ping,
}
FULL_HEALTH = "/api/v1/health"


class OpenPaths:
    """Middleware: answers monitors, and health's full question where the database is away."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        view = VIEWS.get(request.path)
        if view is not None:
            return view(request)
        if request.path == FULL_HEALTH and request.method in {"GET", "HEAD"}:
            measured = measured_for(request)
            if measured.database is None:
                # Nobody can be authenticated: states are told, names and reasons are not.
                body = answers.full(measured, is_trusted=False)
                return _unstored(JsonResponse(body, status=answers.status_code(measured)))
        return self._get_response(request)
