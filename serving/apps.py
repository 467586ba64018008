"""The serving app."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    """Nodes, replicas, deployments, rollouts, the gateway."""

    name = "serving"

    def ready(self) -> None:
        """Listen to the rooms below."""
        from . import subscribers

        subscribers.connect()
