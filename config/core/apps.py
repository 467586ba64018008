"""The kernel as a Django app: its system checks and template tags."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Registers the system checks for unsafe settings."""

    name = "config.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks, and give every process our log form."""
        from config.core import (
            logs,
            system_checks,  # noqa: F401
        )

        logs.configure()
