"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, persons, roles and tokens."""

    name = "config.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Listen to sign-ins and register field diffs."""
        from auditlog.registry import auditlog

        from config.accounts import models, subscribers

        subscribers.connect()
        auditlog.register(models.Person)
        auditlog.register(models.User, exclude_fields=["password", "last_login"])
        auditlog.register(models.RoleGrant)
        auditlog.register(models.ApiToken, exclude_fields=["token_sha256", "last_used_at"])
