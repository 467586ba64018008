"""The kernel as a Django app: its system checks and template tags."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers the system checks for unsafe settings."""

    name = "config.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks."""
        from config.core import system_checks  # noqa: F401
