"""Ended work added up, so that a scrape reads a few rows however many jobs there were."""

from django.db import models


class DeliverySum(models.Model):
    """Jobs of one mode that were taken in, and that ended, before ``until``.

    ``within`` has ended jobs by the bounds of the histogram's buckets, which are in ``bounds``
    (seconds): other bounds need other sums.
    """

    mode = models.CharField(max_length=10, unique=True)
    until = models.DateTimeField()
    bounds = models.JSONField()
    enqueued = models.PositiveBigIntegerField(default=0)
    succeeded = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    took_ms = models.PositiveBigIntegerField(default=0)
    within = models.JSONField()

    def __str__(self) -> str:
        return f"{self.mode} until {self.until:%Y-%m-%d %H:%M}"
