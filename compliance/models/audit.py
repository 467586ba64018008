"""The audit trail: events, sealed into a hash chain, and signed checkpoints."""

from django.db import models
from django.db.models import Q

from config.core import clock
from config.core.models import PublicModel


class AuditEvent(PublicModel):
    """Who did what to which thing. Written with the change, sealed within a second.

    ``sequence``, ``previous_hash``, ``event_hash`` and ``sealed_at`` are written once, by the
    sealer; nothing else ever changes (a database trigger holds that on PostgreSQL).
    ``body`` is the canonical JSON text that is hashed, without sequence and previous hash.
    """

    at = models.DateTimeField(default=clock.now, db_index=True)
    action = models.CharField(max_length=100, db_index=True)
    actor_name = models.CharField(max_length=150, db_index=True)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=100)
    body = models.TextField()
    sequence = models.PositiveBigIntegerField(null=True, unique=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    event_hash = models.CharField(max_length=64, blank=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_by_object"),
            models.Index(fields=["id"], name="audit_unsealed", condition=Q(sequence__isnull=True)),
        ]


class Checkpoint(models.Model):
    """A signed tree head (RFC 6962 root in a C2SP signed note); copies lie outside the database."""

    size = models.PositiveBigIntegerField(unique=True)
    root = models.CharField(max_length=64)
    frontier = models.JSONField(
        default=list,
        help_text="Roots of the perfect subtrees, largest first",
    )
    note = models.TextField()
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-size"]
