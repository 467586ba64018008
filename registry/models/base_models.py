"""Base models that adapters are made for."""

from django.db import models

from config.core import clock
from config.core.models import PublicModel


class BaseModel(PublicModel):
    """One exact base: its digest, the names that adapters may declare, the shapes checks need.

    ``facts`` is ``registry.domain.base_folder.BaseFacts`` as JSON (config facts, module shapes,
    tokenizer facts). Weights stay in ``folder`` and reach nodes as an image or a volume.
    """

    slug = models.SlugField(max_length=100, unique=True)
    revision = models.CharField(max_length=100, blank=True)
    folder = models.CharField(max_length=500)
    digest = models.CharField(max_length=64, unique=True)
    declared_names = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    licence = models.CharField(max_length=100, blank=True)
    registered_at = models.DateTimeField(default=clock.now)
    registered_by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return self.slug

    @property
    def known_names(self) -> list[str]:
        """All names by which an adapter may declare this base."""
        return [self.slug, self.folder, *self.declared_names]
