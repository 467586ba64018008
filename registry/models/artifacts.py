"""Artifacts: records by name, the files uploaded for each, keys under which clients know bytes."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.models import PublicModel

from .blobs import Blob


class StorageAlias(models.Model):
    """A key under which a client knows some bytes; a move of the key leaves the old bytes alone.

    ``blob`` is None once the key was given up and its object has yet to go. ``object_sha256`` is
    what lies under the key in the bucket itself, which it does with STORAGE_LAYOUT=contract alone.
    """

    key = models.CharField(max_length=1000, unique=True)
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    content_type = models.CharField(max_length=200, blank=True)
    object_sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    moved_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.key


class Artifact(PublicModel):
    """One uploaded file of a record. It never changes; which one counts is the record's to say.

    ``quarantine`` says why the bytes may never become part of a version; empty: nothing does.
    """

    class Kind(models.TextChoices):
        """What a record may have one of."""

        MODEL = "model"
        CODE = "code"
        DATASET = "dataset"

    record = models.ForeignKey(
        "registry.ModelRecord", on_delete=models.PROTECT, related_name="artifacts"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=1000, unique=True)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255, blank=True)
    content_type = models.CharField(max_length=200)
    quarantine = models.CharField(max_length=200, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    uploaded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.key


class ModelRecord(PublicModel):
    """What is known by a model's name: its three files, licence, scores in 0…1.

    ``scores`` holds what could be computed, nothing else; ``scores_latency_ms`` how long each took.
    """

    name = models.CharField(max_length=200, unique=True)
    licence = models.CharField(max_length=100, default="unknown")
    model = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="+")
    code = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="+")
    dataset = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="+")
    scores = models.JSONField(default=dict)
    scores_latency_ms = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.name


class RecordMirroring(models.Model):
    """A record whose copy in the outside table may differ from ours: written before the copy is.

    The row goes in the transaction that changes the record, so one that stays tells of a change
    that failed or was cut off; a sweep then copies what we hold.
    """

    name = models.CharField(max_length=200, unique=True)
    since = models.DateTimeField(default=clock.now)
