"""The deliveries app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Compositions and delivery jobs."""

    name = "deliveries"

    def ready(self) -> None:
        """Listen to the rooms below, and be counted."""
        from serving.metrics.exposition import FROM_ABOVE

        from . import subscribers
        from .metrics import DeliveriesCollector

        subscribers.connect()
        FROM_ABOVE.append(DeliveriesCollector())
