"""Adapters (named lines of versions) and their movable aliases with history."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from config.core import clock
from config.core.models import PublicModel

from .base_models import BaseModel

SLUG = RegexValidator(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "lower-case letters, digits, hyphen")


class SafetyClass(models.TextChoices):
    """IEC 62304's classes; the policy pack holds thresholds for each."""

    A = "A", "A: no injury possible"
    B = "B", "B: non-serious injury possible"
    C = "C", "C: death or serious injury possible"


class Adapter(PublicModel):
    """A named line of LoRA weights for one base model."""

    namespace = models.CharField(max_length=63, default="default", validators=[SLUG])
    slug = models.CharField(max_length=63, validators=[SLUG])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    adapter_type = models.CharField(max_length=40, default="medical_lora")
    medical_domain = models.CharField(max_length=100, blank=True)
    clinical_use_case = models.CharField(max_length=200, blank=True)
    tags = models.JSONField(default=list, blank=True)
    safety_class = models.CharField(
        max_length=1, choices=SafetyClass.choices, default=SafetyClass.C
    )
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="adapters")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["namespace", "slug"], name="one_adapter_per_ref")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        """``slug``, or ``namespace:slug`` outside the default namespace."""
        return self.slug if self.namespace == "default" else f"{self.namespace}:{self.slug}"


class Alias(models.Model):
    """A movable name for a version; ``live`` is protected and moved by serving alone."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="aliases")
    name = models.CharField(max_length=63, validators=[SLUG])
    version = models.ForeignKey("registry.Version", on_delete=models.PROTECT, related_name="+")
    is_protected = models.BooleanField(default=False)
    moved_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["adapter", "name"], name="one_alias_per_name")
        ]


class AliasMove(models.Model):
    """One move of an alias: what it named before and after, when and why. Never changed."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="alias_moves")
    name = models.CharField(max_length=63)
    from_version = models.ForeignKey(
        "registry.Version", null=True, on_delete=models.PROTECT, related_name="+"
    )
    to_version = models.ForeignKey(
        "registry.Version", null=True, on_delete=models.PROTECT, related_name="+"
    )
    moved_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)
    moved_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-moved_at", "-pk"]
