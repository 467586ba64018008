"""Shapes of approval requests, records and signatures."""

import json
from typing import Any

from rest_framework import serializers

from compliance.models import ApprovalRequest
from compliance.selectors import changed_fields, next_requirement, verify_signatures
from compliance.services.signing import COMMENT_CHARS, REASON_CHARS
from compliance.states import ApprovalState, Meaning


class SignatureSerializer(serializers.Serializer[Any]):
    """A signature with what the server verified of it now."""

    uuid = serializers.UUIDField(source="signature.uuid")
    position = serializers.IntegerField(source="signature.position")
    meaning = serializers.CharField(source="signature.meaning")
    statement = serializers.CharField(source="signature.statement")
    printed_name = serializers.CharField(source="signature.printed_name")
    role = serializers.CharField(source="signature.role")
    signed_at = serializers.DateTimeField(source="signature.signed_at")
    comment = serializers.CharField(source="signature.comment")
    record_sha256 = serializers.CharField(source="signature.record_sha256")
    payload_sha256 = serializers.CharField(source="signature.payload_sha256")
    key_id = serializers.CharField(source="signature.key_id")
    manifestation = serializers.CharField()
    holds = serializers.BooleanField(source="is_valid")
    faults = serializers.ListField(child=serializers.CharField())


class ApprovalRequestSerializer(serializers.ModelSerializer[ApprovalRequest]):
    """A request in a list."""

    state = serializers.CharField(read_only=True, help_text="open, approved, rejected or void")
    version = serializers.CharField(source="version.runtime_name", read_only=True)
    version_uuid = serializers.UUIDField(source="version.uuid", read_only=True)
    record_sha256 = serializers.CharField(source="record.sha256", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    required_meanings = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApprovalRequest
        fields = [
            "uuid",
            "version",
            "version_uuid",
            "revision",
            "state",
            "record_sha256",
            "required_meanings",
            "requested_by",
            "requested_at",
            "closed_at",
            "closed_reason",
        ]
        read_only_fields = fields


class ChangedFieldSerializer(serializers.Serializer[Any]):
    """A place where the stored record and the present facts differ."""

    field = serializers.CharField()
    signed = serializers.JSONField(allow_null=True)
    now = serializers.JSONField(allow_null=True)


class ApprovalDetailSerializer(ApprovalRequestSerializer):
    """A request with its record, its signatures and what is due next."""

    record_schema = serializers.IntegerField(source="record.record_schema", read_only=True)
    record = serializers.SerializerMethodField()
    next_meaning = serializers.SerializerMethodField()
    next_roles = serializers.SerializerMethodField()
    signatures = serializers.SerializerMethodField()
    changed = serializers.SerializerMethodField()

    class Meta(ApprovalRequestSerializer.Meta):
        fields = [
            *ApprovalRequestSerializer.Meta.fields,
            "record_schema",
            "record",
            "next_meaning",
            "next_roles",
            "signatures",
            "changed",
        ]
        read_only_fields = fields

    def get_record(self, row: ApprovalRequest) -> dict[str, Any]:
        """The record; its hash is that of the canonical bytes."""
        content: dict[str, Any] = json.loads(row.record.content)
        return content

    def get_next_meaning(self, row: ApprovalRequest) -> str | None:
        """The signature that is due."""
        due = next_requirement(row)
        return due.meaning if due else None

    def get_next_roles(self, row: ApprovalRequest) -> list[str]:
        """The roles of which one is needed for it."""
        due = next_requirement(row)
        return list(due.roles) if due else []

    def get_signatures(self, row: ApprovalRequest) -> list[dict[str, Any]]:
        """Each signature, verified now."""
        return [dict(SignatureSerializer(found).data) for found in verify_signatures(row)]

    def get_changed(self, row: ApprovalRequest) -> list[dict[str, Any]]:
        """Where the facts of an open or approved request differ from its record."""
        if row.state not in {ApprovalState.OPEN, ApprovalState.APPROVED}:
            return []
        return changed_fields(row)


class _ProofSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, trim_whitespace=False)
    password = serializers.CharField(
        max_length=500, trim_whitespace=False, write_only=True, style={"input_type": "password"}
    )
    code = serializers.CharField(max_length=20, write_only=True)


class SignRequestSerializer(_ProofSerializer):
    """The signing act: what, under which record, and who."""

    meaning = serializers.ChoiceField(choices=[(m, m) for m in Meaning])
    record_sha256 = serializers.CharField(max_length=64)
    has_read = serializers.BooleanField()
    comment = serializers.CharField(
        max_length=COMMENT_CHARS, required=False, allow_blank=True, default=""
    )


class RejectRequestSerializer(_ProofSerializer):
    """A rejection: why, and who; proven as a signature is."""

    reason = serializers.CharField(max_length=REASON_CHARS)
