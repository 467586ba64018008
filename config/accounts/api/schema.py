"""How the OpenAPI document describes API tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from config.accounts.api.idempotency import HEADER, MAX_LETTERS, WRITING

OWN_API = "/api/v1/"
READ_REFUSALS = (400, 401, 403, 404, 406)
WRITE_REFUSALS = (409, 413, 415, 422)
_ISSUED = "An API token, issued by POST /api/v1/tokens or manage.py issue_token."


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
    """Postprocessing hook: what any operation of our own API may answer stands with each of them.

    The views name what is particular to them; who asks, what was asked for and how much of it is
    looked at before any of them.
    """
    problem = {"$ref": "#/components/schemas/Problem"}
    answer = {
        "content": {"application/problem+json": {"schema": problem}},
        "description": "A problem document (RFC 9457)",
    }
    for path, operations in result["paths"].items():
        if not path.startswith(OWN_API):
            continue
        for method, operation in operations.items():
            statuses: tuple[int, ...] = READ_REFUSALS
            if method.upper() in WRITING:
                statuses = (*READ_REFUSALS, *WRITE_REFUSALS)
            for status in statuses:
                operation["responses"].setdefault(str(status), answer)
    return result
