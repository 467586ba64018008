"""The REST API and its schema."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "config.core.parsers.StrictJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "config.accounts.api.schema.Schema",
    "EXCEPTION_HANDLER": "config.core.problems.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Formulary",
    "DESCRIPTION": "The registry that a hospital trusts with its medical LoRA adapters.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["config.contracts_schema.at_the_root"],
    "POSTPROCESSING_HOOKS": [
        "config.contracts_schema.join_shared_paths",
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.accounts.api.schema.add_idempotency_key",
        "config.accounts.api.schema.add_common_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatusEnum": ["pending", "running", "retrying", "succeeded", "failed"],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
