"""The deliveries app."""

from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    """Compositions and delivery jobs."""

    name = "deliveries"
