"""The base of the LoRA manager's views: its problem bodies, its limits of rate."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle

from config.accounts.api.base import ApiView
from config.core.negotiation import AsTheContractSays
from config.core.parsers import StrictJSONParser


class InvalidParamSerializer(serializers.Serializer[None]):
    """A part of the request that can't be taken, and why."""

    name = serializers.CharField()
    reason = serializers.CharField()


class ManagerProblemSerializer(serializers.Serializer[None]):
    """What is wrong, in the form that the manager's clients read (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    invalid_params = InvalidParamSerializer(many=True)
    code = serializers.CharField()
    request_id = serializers.CharField()
    fix = serializers.CharField(required=False)


def refusals(*statuses: int) -> Mapping[tuple[int, str], OpenApiResponse]:
    """For ``extend_schema(responses={200: …, **refusals(404)})``; what any view may say is in."""
    told = OpenApiResponse(ManagerProblemSerializer, description="A problem document (RFC 9457)")
    always = (400, 401, 403, 429, 503)
    return {(status, "application/problem+json"): told for status in sorted({*always, *statuses})}


WRITING = (409, 413, 415, 422)
"""Besides: an idempotency key in use, a body that is too large, of another kind, or reused."""


class ManagerView(ApiView):
    """A view of the manager's contract; subclasses set ``permission_classes``."""

    parser_classes = [StrictJSONParser]
    content_negotiation_class = AsTheContractSays

    def handle_exception(self, exc: Exception) -> Response:
        """Answer as everywhere, in the manager's form."""
        response = super().handle_exception(exc)
        body = getattr(response, "data", None)
        if isinstance(body, dict) and "code" in body:
            response.data = manager_problem(body)
        return response


def manager_problem(body: Mapping[str, Any]) -> dict[str, Any]:
    """Our problem document with ``invalid_params`` (name, reason) in the place of ``errors``."""
    errors = body.get("errors") or []
    found = [
        {"name": _name(row["pointer"]), "reason": str(row["message"])}
        for row in errors
        if "pointer" in row
    ]
    kept = {
        key: value for key, value in body.items() if key != "errors" or len(found) < len(errors)
    }
    return {**kept, "invalid_params": found}


def _name(pointer: str) -> str:
    return pointer.strip("/").replace("/", ".") or "body"


class ComposeThrottle(UserRateThrottle):
    """So many compositions a minute from one account."""

    scope = "compose"

    def get_rate(self) -> str:
        """As COMPOSE_RATE_PER_MINUTE says."""
        return f"{settings.COMPOSE_RATE_PER_MINUTE}/min"
