"""Errands to other machines, and each try of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel
from deliveries.states import AttemptState, DeliveryState, Mode

from .compositions import Composition
from .webhooks import WebhookEndpoint


class DeliveryJob(PublicModel):
    """One prompt on its way to one target.

    Prompt, parameters and result may hold what patients wrote: they are stored encrypted, and
    removed some time after the end. ``last_error`` is our own sentence and quotes nothing.
    """

    mode = models.CharField(max_length=10, choices=[(m, m) for m in Mode])
    state = models.CharField(
        max_length=10, choices=[(s, s) for s in DeliveryState], default=DeliveryState.PENDING
    )
    prompt_encrypted = models.BinaryField(null=True)
    params_encrypted = models.BinaryField(null=True)
    result_encrypted = models.BinaryField(null=True)
    composition = models.ForeignKey(
        Composition, null=True, on_delete=models.PROTECT, related_name="+"
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, null=True, on_delete=models.PROTECT, related_name="jobs"
    )
    event = models.CharField(max_length=60, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(default=clock.now)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts_count = models.PositiveIntegerField(default=0)
    failures_count = models.PositiveIntegerField(default=0)
    lost_count = models.PositiveIntegerField(default=0)
    latency_ms = models.PositiveBigIntegerField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["succeeded", "failed"], finished_at__isnull=False)
                | Q(state__in=["pending", "running", "retrying"], finished_at__isnull=True),
                name="delivery_finished_when_ended",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(state__in=["pending", "running", "retrying"]),
                name="deliveries_under_way",
            ),
            models.Index(fields=["created_by", "-id"], name="deliveries_of_account"),
            models.Index(fields=["mode", "state"], name="deliveries_by_state"),
            # What came and what ended since the sums were made (selectors/tallies.py).
            models.Index(fields=["created_at"], name="deliveries_taken_in"),
            models.Index(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False),
                name="deliveries_ended",
            ),
        ]

    def __str__(self) -> str:
        return str(self.uuid)

    @property
    def idempotency_key(self) -> str:
        """The same for every try, so that a receiver can tell a repeat."""
        return f"delivery-{self.uuid}"


class DeliveryAttempt(models.Model):
    """One try of a job."""

    job = models.ForeignKey(DeliveryJob, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=[(s, s) for s in AttemptState], default=AttemptState.RUNNING
    )
    error = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["job", "number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="one_delivery_attempt_a_number")
        ]
