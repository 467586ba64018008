"""How the OpenAPI document describes API tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from config.accounts.api.idempotency import HEADER, MAX_LETTERS, WRITING

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
