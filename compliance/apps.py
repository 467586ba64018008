"""The compliance app."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """Checks, evaluations, records, signatures, permissions, stops, audit."""

    name = "compliance"

    def ready(self) -> None:
        """Listen to the rooms below."""
        from . import subscribers

        subscribers.connect()
