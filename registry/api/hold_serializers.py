"""Shapes of the legal holds' API."""

from typing import Any

from rest_framework import serializers

from registry.models import Hold
from registry.services.holds import MAX_MATTER_LETTERS, MAX_REASON_LETTERS

from .upload_serializers import SHA256

MAX_DIGESTS = 1000
TARGETS = ("version", "adapter", "training_run", "sha256")


class HoldSerializer(serializers.ModelSerializer[Hold]):
    """A hold on bytes; ``released_at`` is null while it stands."""

    class Meta:
        model = Hold
        fields = [
            "uuid",
            "sha256",
            "matter",
            "reason",
            "placed_on",
            "placed_by",
            "placed_at",
            "released_by",
            "released_at",
            "release_reason",
        ]
        read_only_fields = fields


class PlacedHoldsSerializer(serializers.Serializer[None]):
    """The holds of the matter on what was named; those that stood already as they were."""

    placed_count = serializers.IntegerField(help_text="How many of them were placed now")
    holds = HoldSerializer(many=True)


class HoldRequestSerializer(serializers.Serializer[None]):
    """What is to be kept, in which matter and why; exactly one of the four targets."""

    matter = serializers.CharField(max_length=MAX_MATTER_LETTERS)
    reason = serializers.CharField(max_length=MAX_REASON_LETTERS)
    version = serializers.CharField(required=False, help_text="Every file of this version")
    adapter = serializers.CharField(
        required=False, help_text="Every file of the versions that it has now"
    )
    training_run = serializers.UUIDField(required=False, help_text="The texts that it learns from")
    sha256 = serializers.ListField(
        child=serializers.RegexField(SHA256),
        required=False,
        allow_empty=False,
        max_length=MAX_DIGESTS,
        help_text="Bytes by their digests, stored here or not",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One target, no more and no less."""
        named = [name for name in TARGETS if name in attrs]
        if len(named) != 1:
            raise serializers.ValidationError(f"Name exactly one of {', '.join(TARGETS)}.")
        return attrs


class HoldReleaseSerializer(serializers.Serializer[None]):
    """Why a hold may end; it is written into the audit trail."""

    reason = serializers.CharField(max_length=MAX_REASON_LETTERS)
