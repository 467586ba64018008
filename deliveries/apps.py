"""The deliveries app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Compositions and delivery jobs."""

    name = "deliveries"

    def ready(self) -> None:
        """Listen to the rooms below, and be counted."""
        from serving.metrics.above import FROM_ABOVE

        from . import subscribers

        subscribers.connect()
        FROM_ABOVE.append("deliveries.metrics.DeliveriesCollector")
