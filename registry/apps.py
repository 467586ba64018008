"""The registry app."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Adapters, versions, blobs, aliases, base models."""

    name = "registry"

    def ready(self) -> None:
        """Register field diffs. Versions, files and blobs are never changed, only made."""
        from auditlog.registry import auditlog

        from registry import models

        auditlog.register(models.Adapter)
        auditlog.register(models.BaseModel, exclude_fields=["facts"])
        auditlog.register(models.Version, exclude_fields=["peft_facts"])
        auditlog.register(models.Label)
        auditlog.register(models.Alias)
