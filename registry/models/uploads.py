"""Files on their way in chunks; their bytes lie beside the store until they are whole."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.models import PublicModel

from .blobs import Blob


class Upload(PublicModel):
    """A declared file of which ``offset_bytes`` are safely on disk; ``blob`` once it is whole.

    The row is kept until a version uses the bytes or ``expires_at`` has passed, so that it counts
    against its owner's quota.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    path = models.CharField(max_length=240, blank=True, help_text="What the file is, for people")
    size_bytes = models.PositiveBigIntegerField()
    offset_bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, help_text="As declared by its owner")
    blob = models.ForeignKey(Blob, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["owner", "sha256"], name="uploads_by_owner_and_sha256")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(offset_bytes__lte=models.F("size_bytes")),
                name="upload_offset_within_size",
            )
        ]

    def __str__(self) -> str:
        return f"{self.path or self.uuid}: {self.offset_bytes} of {self.size_bytes} bytes"

    @property
    def is_done(self) -> bool:
        """Whether every byte has arrived and the digest was right."""
        return self.blob_id is not None
