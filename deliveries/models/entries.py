"""Entries of the LoRA manager: metadata of a file, and whether prompts are composed with it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel

MAX_NAME = 200
MAX_TAG = 100


class Validation(models.TextChoices):
    """How far the file behind an entry has been looked at."""

    PENDING = "pending", "the file or the outside validator is still to be asked"
    VALID = "valid", "the file is there and was hashed; the validator, if any, agreed"
    INVALID = "invalid", "the file is gone or unreadable, or the validator refused it"


class LoraEntry(PublicModel):
    """A named file of LoRA weights as the LoRA manager's clients know it.

    It has no base model and no versions; what the registry knows of the same bytes is found by
    ``sha256``. A deleted entry stays as a tombstone and frees its name.
    """

    namespace = models.CharField(max_length=63, default="default")
    name = models.CharField(max_length=MAX_NAME)
    version = models.CharField(max_length=63, null=True, blank=True)  # noqa: DJ001 - null by contract
    file_path = models.CharField(max_length=1024)
    metadata_uri = models.CharField(max_length=1024, blank=True)
    preview_uri = models.CharField(max_length=1024, blank=True)
    weight = models.FloatField(default=1.0)
    is_compose_active = models.BooleanField(default=False, verbose_name="in prompt set")
    ordinal = models.IntegerField(null=True, blank=True)
    archetype = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001 - as version
    archetype_confidence = models.FloatField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    validation = models.CharField(
        max_length=10, choices=Validation.choices, default=Validation.PENDING
    )
    validation_detail = models.CharField(max_length=300, blank=True)
    revision = models.PositiveIntegerField(default=1, help_text="Grows with every change")
    mirrored_revision = models.PositiveIntegerField(
        default=0, help_text="The revision that lies in the metadata store"
    )
    mirrored_at = models.DateTimeField(null=True)
    mirror_error = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "LoRA entries"
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "name"],
                condition=Q(deleted_at__isnull=True),
                name="one_entry_per_name",
            ),
            models.CheckConstraint(
                condition=Q(archetype_confidence__isnull=True)
                | Q(archetype_confidence__gte=0, archetype_confidence__lte=1),
                name="archetype_confidence_is_a_share",
            ),
        ]
        indexes = [
            models.Index(
                fields=["name"],
                condition=Q(is_compose_active=True, deleted_at__isnull=True),
                name="entries_in_prompt_set",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tags(self) -> list[str]:
        """The tags in the order in which they were given."""
        return [row.tag for row in self.tag_rows.all()]


class EntryTag(models.Model):
    """One tag of an entry; a row each, so that every database can look one up by an index."""

    entry = models.ForeignKey(LoraEntry, on_delete=models.CASCADE, related_name="tag_rows")
    position = models.PositiveIntegerField()
    tag = models.CharField(max_length=MAX_TAG, db_index=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["entry", "tag"], name="one_tag_per_entry")]
