"""The registry app."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Adapters, versions, blobs, aliases, base models."""

    name = "registry"
