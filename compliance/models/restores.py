"""Restores from a backup that were noticed, and who let serving go on."""

from django.conf import settings
from django.db import models

from config.core import clock
from config.core.models import PublicModel


class Restore(PublicModel):
    """The database is older than what lies outside it; nothing is served until it is resumed.

    ``evidence`` names what is ahead of the database, so that it is noticed once. Sizes are of the
    audit trail in events; epochs count changes of the stops.
    """

    evidence = models.CharField(max_length=200, unique=True)
    checkpoint_size = models.PositiveBigIntegerField(default=0)
    trail_size = models.PositiveBigIntegerField(default=0)
    listed_epoch = models.PositiveBigIntegerField(default=0)
    stops_epoch = models.PositiveBigIntegerField(default=0)
    noticed_at = models.DateTimeField(default=clock.now)
    resume_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    resume_asked_at = models.DateTimeField(null=True)
    resume_reason = models.CharField(max_length=1000, blank=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    resumed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
