"""The frozen record, the request to sign it, and the signatures."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from compliance.states import ApprovalState
from config.accounts.models import Person
from config.core import clock
from config.core.models import PublicModel
from registry.models import Version


class Record(models.Model):
    """What is signed: canonical bytes, stored for ever and hashed once."""

    sha256 = models.CharField(max_length=64, unique=True)
    record_schema = models.PositiveIntegerField()
    content = models.TextField(help_text="RFC 8785 JSON; its UTF-8 bytes have the hash")
    created_at = models.DateTimeField(default=clock.now)


class ApprovalRequest(PublicModel):
    """Somebody asks that a version's frozen record be signed."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    revision = models.PositiveIntegerField()
    record = models.ForeignKey(Record, on_delete=models.PROTECT, related_name="requests")
    state = models.CharField(
        max_length=20, choices=[(s, s) for s in ApprovalState], default=ApprovalState.OPEN
    )
    required_meanings = models.JSONField(default=list, help_text="In the order of signing")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True)
    closed_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "revision"], name="one_request_per_revision"
            ),
            models.UniqueConstraint(
                fields=["version"], condition=Q(state="open"), name="one_open_request"
            ),
        ]


class Signature(PublicModel):
    """An electronic signature under a record (21 CFR 11). Rows are never changed or deleted.

    ``payload`` is the canonical JSON that the server's Ed25519 key signed: it holds every field
    here, the record's hash and the previous signature's hash, so a copied row does not verify.
    """

    request = models.ForeignKey(
        ApprovalRequest, on_delete=models.PROTECT, related_name="signatures"
    )
    record_sha256 = models.CharField(max_length=64, db_index=True)
    position = models.PositiveIntegerField(help_text="Index in the request's required meanings")
    meaning = models.CharField(max_length=40)
    statement = models.TextField()
    statement_version = models.CharField(max_length=20)
    signer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=200)
    role = models.CharField(max_length=40)
    auth_methods = models.JSONField(default=list)
    signed_at = models.DateTimeField()
    comment = models.CharField(max_length=1000, blank=True)
    payload = models.TextField()
    payload_sha256 = models.CharField(max_length=64, unique=True)
    previous_payload_sha256 = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=16)
    server_signature = models.CharField(max_length=200, help_text="Base64 Ed25519 over payload")

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "position"], name="one_signature_per_position"
            ),
            models.UniqueConstraint(fields=["request", "person"], name="one_signature_per_person"),
        ]


class SigningLock(models.Model):
    """Failed signing attempts of an account since its last success, and until when it is locked."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    failed_count = models.PositiveIntegerField(default=0)
    last_failed_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)
