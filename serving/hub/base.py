"""The base of the Hub endpoint's views: errors in the form that Hub clients read."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import ApiView
from config.accounts.api.serializers import ProblemSerializer
from config.accounts.permissions import needs_any
from config.accounts.roles import Act
from registry.models import Adapter, Version

from .errors import HubError, RangeUnsatisfiable
from .revisions import pullable, repository

CODE, MESSAGE, COMMIT = "X-Error-Code", "X-Error-Message", "X-Repo-Commit"
GATED = "GatedRepo"
HOW_TO_SIGN_IN = (
    "Set HF_TOKEN to an API token of this Formulary with the scope registry:read or blobs:read."
)
_MESSAGE_LETTERS = 600


class HubErrorSerializer(ProblemSerializer):
    """A problem document that Hub clients understand: their libraries show ``error``."""

    error = serializers.CharField()


def refusals(*statuses: int) -> Mapping[tuple[int, str], OpenApiResponse]:
    """For ``extend_schema(responses={200: …, **refusals(404)})``; 400, 401, 403 and 503 too."""
    described = OpenApiResponse(
        HubErrorSerializer,
        description="What is wrong; X-Error-Code and X-Error-Message say it to the client library",
    )
    return {
        (status, "application/problem+json"): described
        for status in sorted({400, 401, 403, 503, *statuses})
    }


class HubView(ApiView):
    """A view of the Hub endpoint: for people who may read, and for machines that fetch bytes."""

    permission_classes = [needs_any(Act.FETCH_BLOBS, Act.READ)]

    def adapter(self) -> Adapter:
        """The adapter in the address.

        Raises:
            RepositoryUnknown: there is none.
        """
        return repository(self.kwargs["namespace"], self.kwargs["repo"])

    def version(self, adapter: Adapter) -> Version:
        """The version that the address names and that may be handed out.

        Raises:
            HubError: as ``pullable``.
        """
        return pullable(adapter, self.kwargs.get("revision", "main"))

    def handle_exception(self, exc: Exception) -> Response:
        """The problem document, with the members and headers that Hub clients look for."""
        response = super().handle_exception(exc)
        problem = getattr(response, "data", None)
        if not isinstance(problem, dict):
            return response  # the first answer to an idempotency key, sent again
        fix = HOW_TO_SIGN_IN if response.status_code == 401 else problem.get("fix", "")
        message = f"{problem['detail']} {fix}".strip()
        response.data = {**problem, "error": message}
        response[MESSAGE] = header_text(message)
        if code := _code_of(exc):
            response[CODE] = code
        if isinstance(exc, HubError) and exc.repo_commit:
            response[COMMIT] = exc.repo_commit
        if isinstance(exc, RangeUnsatisfiable):
            response["Content-Range"] = f"bytes */{exc.size_bytes}"
        return response


class AnythingAccepted(BaseContentNegotiation):
    """Bytes are sent as they are, whatever ``Accept`` says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first parser: these views read no body."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: Any = None
    ) -> tuple[Any, str]:
        """JSON, for errors."""
        return renderers[0], renderers[0].media_type


def header_text(text: str) -> str:
    """``text`` as a header can carry it: one line of ASCII, bounded."""
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    line = " ".join(plain.encode("ascii", "replace").decode().split())
    return "".join(letter for letter in line if letter.isprintable())[:_MESSAGE_LETTERS]


def _code_of(exc: Exception) -> str:
    if isinstance(exc, HubError):
        return exc.hub_code
    return GATED if isinstance(exc, exceptions.PermissionDenied) else ""
