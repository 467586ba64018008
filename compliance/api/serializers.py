"""Shapes of checks, evaluations, permissions, stops and the audit trail."""

from typing import Any

from rest_framework import serializers

from compliance.models import (
    AuditEvent,
    CheckResult,
    CheckRun,
    EvaluationRun,
    EvaluationSet,
    Finding,
    Permission,
    Stop,
)
from compliance.selectors import parse_body
from config.core.fields import JsonField


class FindingSerializer(serializers.ModelSerializer[Finding]):
    """What a check saw, where, and how to mend it."""

    class Meta:
        model = Finding
        fields = ["state", "severity", "message", "fix", "object"]
        read_only_fields = fields


class CheckResultSerializer(serializers.ModelSerializer[CheckResult]):
    """A check's result with its findings."""

    findings = FindingSerializer(many=True, read_only=True)

    class Meta:
        model = CheckResult
        fields = [
            "check_id",
            "check_version",
            "title",
            "state",
            "severity",
            "mode",
            "values",
            "thresholds",
            "result_sha256",
            "findings",
        ]
        read_only_fields = fields


class CheckRunSerializer(serializers.ModelSerializer[CheckRun]):
    """A run of checks over a frozen snapshot."""

    state = serializers.CharField(read_only=True, help_text="waiting, running, done or failed")
    version = serializers.CharField(source="version.runtime_name", read_only=True)
    results = CheckResultSerializer(many=True, read_only=True)

    class Meta:
        model = CheckRun
        fields = [
            "uuid",
            "version",
            "kind",
            "state",
            "is_blocked",
            "policy_version",
            "snapshot_sha256",
            "error",
            "requested_at",
            "started_at",
            "finished_at",
            "results",
        ]
        read_only_fields = fields


class VersionRefSerializer(serializers.Serializer[Any]):
    """A version by reference."""

    version = serializers.CharField(max_length=300)


class BlockerSerializer(serializers.Serializer[Any]):
    """One thing that keeps the gate closed."""

    check_id = serializers.CharField()
    state = serializers.CharField()
    message = serializers.CharField()
    fix = serializers.CharField()
    object = serializers.CharField()


class SummaryRowSerializer(serializers.Serializer[Any]):
    """Right answers on a set in a group; empty names mean all."""

    set_name = serializers.CharField()
    set_version = serializers.CharField()
    attribute = serializers.CharField()
    level = serializers.CharField()
    correct = serializers.IntegerField()
    n = serializers.IntegerField()
    wilson_low = serializers.FloatField()
    wilson_high = serializers.FloatField()


class GateSerializer(serializers.Serializer[Any]):
    """Whether people may be asked to sign, and what stands against it."""

    version = serializers.CharField()
    is_open = serializers.BooleanField()
    is_permitted = serializers.BooleanField()
    blockers = BlockerSerializer(many=True)
    evaluations = SummaryRowSerializer(many=True)


class EvaluationSetSerializer(serializers.ModelSerializer[EvaluationSet]):
    """A locked set without its items' texts."""

    locked_by = serializers.CharField(source="locked_by.username", read_only=True)

    class Meta:
        model = EvaluationSet
        fields = [
            "uuid",
            "name",
            "version_name",
            "sha256",
            "prompt_template",
            "prompt_template_sha256",
            "grader",
            "max_tokens",
            "group_fields",
            "items_count",
            "locked_at",
            "locked_by",
        ]
        read_only_fields = fields


class EvaluationSetRequestSerializer(serializers.Serializer[Any]):
    """A set to lock: JSON lines in a file beside its fields."""

    items = serializers.FileField(
        help_text='JSON lines {"text", "expected", "groups": {attribute: level}}'
    )
    name = serializers.SlugField(max_length=100)
    version_name = serializers.CharField(max_length=40, default="1")
    prompt_template = JsonField(
        help_text='Chat messages, of which one holds {text}: [{"role", "content"}]'
    )
    grader = serializers.CharField(max_length=40, default="exact_match")
    max_tokens = serializers.IntegerField(min_value=1, default=16)
    group_fields = JsonField(required=False, help_text="A list of attribute names")

    def validate_prompt_template(self, value: Any) -> Any:
        """A list; the service looks into it."""
        return _list(value, "messages")

    def validate_group_fields(self, value: Any) -> Any:
        """A list of texts."""
        if not all(isinstance(name, str) for name in _list(value, "names")):
            raise serializers.ValidationError("This must be a JSON list of names.")
        return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise serializers.ValidationError(f"This must be a JSON list of {what}.")
    return value


class EvaluationRequestSerializer(serializers.Serializer[Any]):
    """A set to run through a version."""

    version = serializers.CharField(max_length=300)
    evaluation_set = serializers.CharField(
        max_length=200, help_text="uuid, or name@version_name (name alone: version 1)"
    )


class EvaluationRunSerializer(serializers.ModelSerializer[EvaluationRun]):
    """A set run through a version on a node; never an answer's text."""

    state = serializers.CharField(read_only=True, help_text="waiting, running, done or failed")
    version = serializers.CharField(source="version.runtime_name", read_only=True)
    evaluation_set = serializers.CharField(source="evaluation_set.name", read_only=True)
    evaluation_set_version = serializers.CharField(
        source="evaluation_set.version_name", read_only=True
    )
    items_count = serializers.IntegerField(source="evaluation_set.items_count", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)

    class Meta:
        model = EvaluationRun
        fields = [
            "uuid",
            "version",
            "evaluation_set",
            "evaluation_set_version",
            "state",
            "digest",
            "base_digest",
            "prompt_template_sha256",
            "engine_build",
            "device",
            "dtype",
            "node_name",
            "rows_done",
            "items_count",
            "correct_count",
            "rows_sha256",
            "metric_code",
            "attempt",
            "error",
            "requested_by",
            "requested_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields


class PermissionSerializer(serializers.ModelSerializer[Permission]):
    """A lease: which digest, under which record, how long."""

    version = serializers.CharField(source="version.runtime_name", read_only=True)

    class Meta:
        model = Permission
        fields = [
            "uuid",
            "version",
            "digest",
            "record_sha256",
            "purpose",
            "ttl_seconds",
            "lease_sequence",
            "renewed_at",
            "issued_at",
            "ended_at",
            "ended_reason",
        ]
        read_only_fields = fields


class StopSerializer(serializers.ModelSerializer[Stop]):
    """A digest that is withdrawn, and how far its release is."""

    issued_by = serializers.CharField(source="issued_by.username", default=None, read_only=True)
    release_asked_by = serializers.CharField(
        source="release_asked_by.username", default=None, read_only=True
    )
    released_by = serializers.CharField(source="released_by.username", default=None, read_only=True)

    class Meta:
        model = Stop
        fields = [
            "uuid",
            "digest",
            "reason",
            "issued_by",
            "issued_at",
            "release_asked_by",
            "release_asked_at",
            "release_reason",
            "released_by",
            "released_at",
        ]
        read_only_fields = fields


class StopRequestSerializer(serializers.Serializer[Any]):
    """What to stop: a digest, or a version by reference."""

    digest = serializers.CharField(max_length=64, required=False)
    version = serializers.CharField(max_length=300, required=False)
    reason = serializers.CharField(max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two."""
        if ("digest" in attrs) == ("version" in attrs):
            raise serializers.ValidationError("Give either digest or version.")
        return attrs


class ReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=1000)


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """An event of the trail with its place in the chain."""

    event = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = [
            "uuid",
            "sequence",
            "at",
            "action",
            "actor_name",
            "object_type",
            "object_id",
            "event",
            "previous_hash",
            "event_hash",
            "sealed_at",
        ]
        read_only_fields = fields

    def get_event(self, row: AuditEvent) -> dict[str, Any] | None:
        """The sealed content; None where somebody made it unreadable."""
        try:
            return parse_body(row)
        except ValueError:
            return None


class AuditQuerySerializer(serializers.Serializer[Any]):
    """Filters of the trail; an action that ends in a dot names a family."""

    action = serializers.CharField(required=False, max_length=100)
    actor = serializers.CharField(required=False, max_length=150)
    object_type = serializers.CharField(required=False, max_length=60)
    object_id = serializers.CharField(required=False, max_length=100)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class VerificationLineSerializer(serializers.Serializer[Any]):
    """One line of the verifier's report."""

    ok = serializers.BooleanField()
    what = serializers.CharField()
    text = serializers.CharField()
    sequence = serializers.IntegerField(allow_null=True)
    event = serializers.CharField()


class VerificationSerializer(serializers.Serializer[Any]):
    """What the verifier found."""

    result = serializers.ChoiceField(choices=["clean", "failure"])
    entries = serializers.IntegerField()
    head = serializers.CharField()
    first_bad = serializers.IntegerField(allow_null=True)
    lines = VerificationLineSerializer(many=True)
