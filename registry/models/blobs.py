"""Bytes by digest, stored once."""

from django.db import models

from config.core import clock


class Blob(models.Model):
    """Some bytes; the key in the store is ``sha256/<first two hex>/<sha256>``.

    Every foreign key to a blob keeps it, and must be PROTECT: garbage collection finds them all.
    """

    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=clock.now)
    unreferenced_since = models.DateTimeField(
        null=True, db_index=True, help_text="Since when nothing needs these bytes"
    )

    def __str__(self) -> str:
        return self.sha256[:12]

    @property
    def key(self) -> str:
        """The name of these bytes in the blob store."""
        return f"sha256/{self.sha256[:2]}/{self.sha256}"
