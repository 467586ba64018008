"""Answers only under the host names of this installation, as Django does on its own paths."""

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.domain.openai_answers import error_body


class AllowedHosts:
    """Refuses a ``Host`` that ``ALLOWED_HOSTS`` does not name; the name is not repeated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        given = [value for name, value in scope["headers"] if name == b"host"]
        host = split_domain_port(given[0].decode("latin-1"))[0] if len(given) == 1 else ""
        if host and validate_host(host, settings.ALLOWED_HOSTS):
            await self._app(scope, receive, send)
            return
        body = error_body(
            message="The Host header names no host of this installation. Use its own address, or "
            "add the name to ALLOWED_HOSTS.",
            kind="invalid_request_error",
            code="host_not_allowed",
        )
        await JSONResponse(body, status_code=400)(scope, receive, send)
