"""The deliveries app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Compositions and delivery jobs."""

    name = "deliveries"

    def ready(self) -> None:
        """Listen to the rooms below."""
        from . import subscribers

        subscribers.connect()
