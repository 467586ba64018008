"""Legal holds on bytes, and what garbage collection has done."""

from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel


class Hold(PublicModel):
    """Bytes that must not be erased until the hold is released; they need not be here yet.

    ``placed_on``: the reference by which they were asked for, empty where it was the digest.
    """

    # Whether the request at hand placed it, and not an earlier one.
    is_new = False

    sha256 = models.CharField(max_length=64, db_index=True)
    matter = models.CharField(max_length=100, help_text="The case or the duty, in a word or two")
    reason = models.CharField(max_length=500)
    placed_on = models.CharField(max_length=200, blank=True)
    placed_by = models.CharField(max_length=150)
    placed_at = models.DateTimeField(default=clock.now)
    released_by = models.CharField(max_length=150, blank=True)
    released_at = models.DateTimeField(null=True)
    release_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["sha256", "matter"],
                condition=Q(released_at__isnull=True),
                name="one_open_hold_per_matter",
            )
        ]

    def __str__(self) -> str:
        return f"{self.matter}: {self.sha256[:12]}"


class GarbageRun(PublicModel):
    """One collection; a run without ``finished_at`` was cut off, and the next one closes it."""

    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)


class ErasedBlob(models.Model):
    """What is left of bytes that were collected: that they were, and when."""

    run = models.ForeignKey(GarbageRun, on_delete=models.PROTECT, related_name="erased")
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.PositiveBigIntegerField()
    erased_at = models.DateTimeField(default=clock.now)
