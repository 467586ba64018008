"""Immutable versions, the files they are made of, and the label that says what they are for."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.digests import SHORT_HEX, runtime_name
from config.core.models import PublicModel

from .adapters import Adapter
from .blobs import Blob


class Version(PublicModel):
    """One immutable numbered release of an adapter; ``digest`` is its manifest's SHA-256."""

    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    version_name = models.CharField(max_length=63)
    digest = models.CharField(max_length=64, db_index=True)
    commit_id = models.CharField(max_length=40, db_index=True, help_text="For Hub clients")
    peft_facts = models.JSONField(default=dict)
    size_bytes = models.PositiveBigIntegerField(default=0)
    notes = models.TextField(blank=True, help_text="What changed, in the author's words")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    submitted_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["adapter", "number"], name="one_version_per_number"),
            models.UniqueConstraint(
                fields=["adapter", "version_name"], name="one_version_per_version_name"
            ),
            models.UniqueConstraint(fields=["adapter", "digest"], name="one_version_per_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.adapter.name} {self.version_name}"

    @property
    def runtime_name(self) -> str:
        """``slug@<12 hex>``, the name on nodes and in answers."""
        return runtime_name(self.adapter.slug, self.digest)

    @property
    def short_digest(self) -> str:
        """The first 12 hex of the digest."""
        return self.digest[:SHORT_HEX]


class VersionFile(models.Model):
    """One file of a version's package."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=500)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["version", "path"], name="one_file_per_path")
        ]


class Label(models.Model):
    """A version's intended use, structured. A change adds a revision; the highest one counts.

    ``population`` is a list of strata ``{"attribute": "age_group", "level": "child"}`` that match
    the group fields of evaluation sets.
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="labels")
    revision = models.PositiveIntegerField()
    purpose = models.TextField()
    population = models.JSONField(default=list)
    setting = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=35, default="en")
    limits = models.TextField(blank=True)
    touches_phi = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-revision"]
        constraints = [
            models.UniqueConstraint(fields=["version", "revision"], name="one_label_per_revision")
        ]
