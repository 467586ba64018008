"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, persons, roles and tokens."""

    name = "config.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to sign-ins, register field diffs and the API's security scheme."""
        from auditlog.registry import auditlog

        from config.accounts import models, subscribers
        from config.accounts.api import schema  # noqa: F401

        subscribers.connect()
        auditlog.register(models.Person)
        auditlog.register(models.User, exclude_fields=["password", "last_login"])
        auditlog.register(models.RoleGrant)
        auditlog.register(models.ApiToken, exclude_fields=["token_sha256", "last_used_at"])
