"""Frozen compositions: which adapters, weights and rules a prompt was made with."""

from django.db import models

from config.core import clock
from config.core.models import PublicModel


class Composition(PublicModel):
    """One composed prompt, never changed afterwards.

    Its text may be a patient's and is not kept: ``prompt_mac`` (HMAC-SHA256 under a key of this
    installation) proves whether a text is the one that was composed. ``adapters`` is a list of
    ``{id, namespace, name, version, weight, ordinal, sha256, token}`` in the order of the prompt.
    """

    composed_at = models.DateTimeField(default=clock.now)
    composed_by = models.CharField(max_length=150)
    namespace = models.CharField(max_length=63, blank=True)
    format = models.CharField(max_length=10)
    token_format = models.CharField(max_length=200)
    null_ordinal = models.CharField(max_length=10)
    adapters = models.JSONField(default=list)
    tokens = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    prompt_mac = models.CharField(max_length=64)
    prompt_length = models.PositiveIntegerField(help_text="Characters")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.uuid)
