"""How the OpenAPI document describes bearer tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):
    """``Authorization: Bearer fml_…``."""

    target_class = "config.accounts.authentication.TokenAuthentication"
    name = "bearerToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token, issued by POST /api/v1/tokens or manage.py issue_token.",
        }
