"""Permissions (leases), stops, and the epochs that gateways poll."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from compliance.states import Purpose
from config.core import clock
from config.core.models import PublicModel
from registry.models import Version

from .approvals import ApprovalRequest
from .evaluations import EvaluationRun


class Permission(PublicModel):
    """The lease under which a digest may be served, or evaluated in one run.

    ``lease_sequence`` grows with each renewal; receivers count ``ttl_seconds`` on their own
    monotonic clock from the moment when they first see a new sequence.
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, db_index=True)
    record_sha256 = models.CharField(max_length=64, blank=True)
    purpose = models.CharField(max_length=20, choices=[(p, p) for p in Purpose])
    request = models.ForeignKey(
        ApprovalRequest, null=True, on_delete=models.PROTECT, related_name="+"
    )
    run = models.ForeignKey(EvaluationRun, null=True, on_delete=models.PROTECT, related_name="+")
    ttl_seconds = models.PositiveIntegerField(default=60)
    lease_sequence = models.PositiveBigIntegerField(default=1)
    renewed_at = models.DateTimeField(default=clock.now)
    issued_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(purpose="serve", ended_at__isnull=True),
                name="one_open_serve_permission",
            ),
            models.UniqueConstraint(
                fields=["run"],
                condition=Q(purpose="evaluate", ended_at__isnull=True),
                name="one_open_evaluate_permission",
            ),
        ]


class Stop(PublicModel):
    """A digest withdrawn everywhere. One person stops; two persons release."""

    digest = models.CharField(max_length=64, db_index=True)
    reason = models.CharField(max_length=1000)
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    issued_at = models.DateTimeField(default=clock.now)
    release_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    release_asked_at = models.DateTimeField(null=True)
    release_reason = models.CharField(max_length=1000, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], condition=Q(released_at__isnull=True), name="one_open_stop"
            )
        ]


class Epoch(models.Model):
    """Two counters in one row that gateways poll each second.

    ``routing`` grows with every change of wanted, proven, weight, token or lease; ``stops`` with
    every stop and release.
    """

    name = models.CharField(max_length=20, unique=True, default="epoch")
    routing = models.PositiveBigIntegerField(default=0)
    stops = models.PositiveBigIntegerField(default=0)
    changed_at = models.DateTimeField(default=clock.now)
