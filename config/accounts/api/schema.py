"""How the OpenAPI document describes tokens, pages of lists, and what any operation may answer."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import Serializer

from config.accounts.api.base import KeysetPagination, ListView
from config.accounts.api.idempotency import HEADER, MAX_LETTERS, WRITING

_Parameter = OpenApiParameter | Serializer[Any] | type[Serializer[Any]]
_PAGE = (
    OpenApiParameter(
        "limit",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": KeysetPagination.max_page_size,
            "default": KeysetPagination.page_size,
        },
        description="Rows of a page",
    ),
    OpenApiParameter("cursor", str, description="As it stands in `next` and `previous`"),
)
OWN_API = "/api/v1/"
READ_REFUSALS = (400, 401, 403, 404, 406, 503)
WRITE_REFUSALS = (409, 413, 415, 422)
_ISSUED = "An API token, issued by POST /api/v1/tokens or manage.py issue_token."


class Schema(AutoSchema):
    """The description of one view's methods; what a base class takes is told with each of them."""

    def get_override_parameters(self) -> list[_Parameter]:
        """Of a list's GET: which page, and how long."""
        parameters: list[_Parameter] = [*super().get_override_parameters()]
        if isinstance(self.view, ListView) and self.method == "GET":
            parameters += _PAGE
        return parameters


class TokenScheme(OpenApiAuthenticationExtension):
    """``Authorization: Bearer fml_…``, or ``X-API-Key: fml_…``."""

    target_class = "config.accounts.authentication.TokenAuthentication"
    name = ["bearerToken", "apiKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either of the two is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """The two schemes."""
        return [
            {"type": "http", "scheme": "bearer", "description": _ISSUED},
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _ISSUED},
        ]


def add_idempotency_key(result: Any, **_: Any) -> Any:
    """Postprocessing hook: every writing operation takes the header ``Idempotency-Key``."""
    parameter = {
        "in": "header",
        "name": HEADER,
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LETTERS},
        "description": "The same key with the same request answers again what the first one was "
        "answered, for 24 hours (docs/api.md).",
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method.upper() in WRITING:
                operation.setdefault("parameters", []).append(parameter)
    return result


def add_common_refusals(result: Any, **_: Any) -> Any:
    """Postprocessing hook: what any operation may answer stands with each of them.

    The views name what is particular to them; who asks, what was asked for and how much of it is
    looked at before any of them.
    """
    problem = {"$ref": "#/components/schemas/Problem"}
    answer = {
        "content": {"application/problem+json": {"schema": problem}},
        "description": "A problem document (RFC 9457)",
    }
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            writes = WRITE_REFUSALS if method.upper() in WRITING else ()
            statuses: tuple[int, ...] = (*READ_REFUSALS, *writes)
            told = answer
            if not path.startswith(OWN_API):
                # A contract refuses all alike: in the shape in which it asks who it is.
                statuses = (503, *writes)
                told = operation["responses"].get("401", answer)
            for status in statuses:
                operation["responses"].setdefault(str(status), told)
    return result
