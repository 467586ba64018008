"""Shapes of the training runs' API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.core.fields import JsonField
from registry import training_selectors as selectors
from registry.models import TrainingRun


class TrainingDataSerializer(serializers.Serializer[None]):
    """A file that is learned from: its digest, never its name."""

    file = serializers.UUIDField()
    kind = serializers.CharField()
    sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()


class ProgressSerializer(serializers.Serializer[None]):
    """How far a run is; the loss in nats per token."""

    state = serializers.CharField()
    step = serializers.IntegerField()
    steps = serializers.IntegerField()
    percent = serializers.FloatField()
    epoch = serializers.IntegerField()
    epochs = serializers.IntegerField()
    loss = serializers.FloatField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)


class TrainingRunSerializer(serializers.ModelSerializer[TrainingRun]):
    """A training run: what it learns from and how, how far it is, what came out."""

    adapter = serializers.CharField(source="adapter.ref", read_only=True)
    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    parameters = JsonField(read_only=True)
    data = TrainingDataSerializer(many=True, read_only=True)  # type: ignore[assignment]
    progress = serializers.SerializerMethodField()
    series = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), read_only=True
    )
    metrics = JsonField(read_only=True)
    libraries = JsonField(read_only=True)
    version = serializers.SerializerMethodField()
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    duration_seconds = serializers.SerializerMethodField()
    message = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields = [
            "uuid",
            "adapter",
            "base_model",
            "base_digest",
            "trainer",
            "parameters",
            "seed",
            "data",
            "state",
            "error",
            "attempt",
            "progress",
            "series",
            "checkpoint_step",
            "metrics",
            "libraries",
            "version",
            "requested_by",
            "requested_at",
            "started_at",
            "finished_at",
            "duration_seconds",
            "message",
        ]
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, run: TrainingRun) -> dict[str, Any]:
        """As ``selectors.progress``."""
        return selectors.progress(run).as_json()

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_version(self, run: TrainingRun) -> str | None:
        """The reference of the version that it made."""
        return f"{run.adapter.ref}@{run.version.version_name}" if run.version else None

    def get_duration_seconds(self, run: TrainingRun) -> float:
        """From the first worker's beginning to the end, or to now."""
        return selectors.duration_seconds(run)

    def get_message(self, run: TrainingRun) -> str:
        """How it stands, in a sentence."""
        return selectors.message(run)


class CancelSerializer(serializers.Serializer[None]):
    """Why a run is cancelled; it is written into the audit trail."""

    reason = serializers.CharField(max_length=500, default="", allow_blank=True)
