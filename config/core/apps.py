"""The kernel as a Django app: its system checks, the log, the Celery app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """What every process that runs Django needs before its first request or task."""

    name = "config.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks, give the process our log form and the configured Celery."""
        from config import celery  # noqa: F401 - not in config/__init__: a node runs without it
        from config.core import (
            logs,
            system_checks,  # noqa: F401
        )

        logs.configure()
