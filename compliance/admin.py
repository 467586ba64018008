"""Judgements as read-only records. Changes go through services; texts of items are not here."""

from typing import Any

from django.http import HttpRequest

from config.accounts.models import User
from config.accounts.roles import Act
from config.accounts.selectors import can
from config.core.admin import ReadOnlyAdmin, record

from .models import (
    ApprovalRequest,
    AuditEvent,
    Checkpoint,
    CheckRun,
    EvaluationRun,
    EvaluationSet,
    Permission,
    Record,
    Signature,
    Stop,
)


@record(CheckRun)
class CheckRunAdmin(ReadOnlyAdmin):
    """Runs of checks."""

    list_display = ["version", "kind", "state", "is_blocked", "policy_version", "finished_at"]
    list_select_related = ["version__adapter"]
    list_filter = ["kind", "state", "is_blocked"]
    search_fields = ["version__adapter__slug", "version__digest"]
    exclude = ["snapshot"]


@record(EvaluationSet)
class EvaluationSetAdmin(ReadOnlyAdmin):
    """Locked evaluation sets."""

    list_display = ["name", "version_name", "items_count", "grader", "sha256", "locked_at"]
    search_fields = ["name", "sha256"]


@record(EvaluationRun)
class EvaluationRunAdmin(ReadOnlyAdmin):
    """Runs of sets through versions."""

    list_display = ["version", "evaluation_set", "state", "correct_count", "rows_done", "node_name"]
    list_select_related = ["version__adapter", "evaluation_set"]
    list_filter = ["state"]
    search_fields = ["digest", "evaluation_set__name"]


@record(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    """Requests for approval."""

    list_display = ["version", "revision", "state", "requested_by", "requested_at", "closed_reason"]
    list_select_related = ["version__adapter", "requested_by__person"]
    list_filter = ["state"]
    search_fields = ["record__sha256", "version__adapter__slug"]


@record(Record)
class RecordAdmin(ReadOnlyAdmin):
    """Frozen records, byte for byte."""

    list_display = ["sha256", "record_schema", "created_at"]
    search_fields = ["sha256"]


@record(Signature)
class SignatureAdmin(ReadOnlyAdmin):
    """Signatures."""

    list_display = ["printed_name", "meaning", "role", "signed_at", "record_sha256"]
    list_filter = ["meaning"]
    search_fields = ["printed_name", "record_sha256", "payload_sha256"]


@record(Permission)
class PermissionAdmin(ReadOnlyAdmin):
    """Leases."""

    list_display = ["version", "purpose", "lease_sequence", "renewed_at", "ended_at"]
    list_select_related = ["version__adapter"]
    list_filter = ["purpose"]
    search_fields = ["digest", "record_sha256"]


@record(Stop)
class StopAdmin(ReadOnlyAdmin):
    """Stops."""

    list_display = ["digest", "reason", "issued_by", "issued_at", "released_at"]
    list_select_related = ["issued_by__person"]
    search_fields = ["digest"]


class AuditAdmin(ReadOnlyAdmin):
    """What only those see whose role lets them read the trail."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the account may read the audit trail."""
        user = request.user
        return isinstance(user, User) and can(user, Act.AUDIT)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As above."""
        return self.has_view_permission(request)


@record(AuditEvent)
class AuditEventAdmin(AuditAdmin):
    """The audit trail."""

    list_display = ["sequence", "at", "action", "actor_name", "object_type", "object_id"]
    search_fields = ["action", "actor_name", "object_id"]
    ordering = ["-pk"]


@record(Checkpoint)
class CheckpointAdmin(AuditAdmin):
    """Signed tree heads."""

    list_display = ["size", "root", "created_at"]
    exclude = ["frontier"]
