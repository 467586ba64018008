"""Shapes of deliveries and webhooks in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.core.fields import JsonField
from deliveries.domain.modes import Mode
from deliveries.domain.webhook_events import EVENTS
from deliveries.models import DeliveryAttempt, DeliveryJob, WebhookEndpoint
from deliveries.selectors.deliveries import texts
from deliveries.services.delivery_jobs import MAX_PROMPT_LETTERS
from deliveries.states import AttemptState, DeliveryState


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(JsonField):
    """A JSON object."""

    default_error_messages = {"no_object": "This is no JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        """The object.

        Raises:
            ValidationError: it is another JSON value.
        """
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            self.fail("no_object")
        return value


class DeliveryRequestSerializer(serializers.Serializer[Any]):
    """A prompt to deliver; ``params`` nested by mode or flat."""

    prompt = serializers.CharField(
        allow_blank=True, trim_whitespace=False, max_length=MAX_PROMPT_LETTERS
    )
    mode = serializers.ChoiceField(choices=[str(mode) for mode in Mode])
    params = ObjectField(required=False, allow_null=True)


class DeliveryMadeSerializer(serializers.Serializer[Any]):
    """The id of a job that was taken in."""

    delivery_id = serializers.UUIDField()


class DeliveryLineSerializer(serializers.ModelSerializer[DeliveryJob]):
    """A job in a list, without its texts."""

    id = serializers.UUIDField(source="uuid")
    status = serializers.ChoiceField(
        source="state", choices=[str(state) for state in DeliveryState]
    )
    mode = serializers.ChoiceField(choices=[str(mode) for mode in Mode])
    composition = serializers.UUIDField(source="composition.uuid", default=None, allow_null=True)

    class Meta:
        model = DeliveryJob
        fields = [
            "id", "mode", "status", "composition", "event", "attempts_count", "last_error",
            "created_at", "started_at", "finished_at", "latency_ms",
        ]  # fmt: skip


class AttemptSerializer(serializers.ModelSerializer[DeliveryAttempt]):
    """One try."""

    status = serializers.ChoiceField(source="state", choices=[str(state) for state in AttemptState])

    class Meta:
        model = DeliveryAttempt
        fields = ["number", "status", "error", "started_at", "finished_at"]


class DeliveryTextsSerializer(serializers.Serializer[Any]):
    """A job's texts, for its owner; empty once they were removed."""

    id = serializers.UUIDField()
    prompt = serializers.CharField()
    mode = serializers.ChoiceField(choices=[str(mode) for mode in Mode])
    params = ObjectField()
    status = serializers.ChoiceField(choices=[str(state) for state in DeliveryState])
    result = ObjectField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class DeliverySerializer(DeliveryTextsSerializer):
    """A job with its tries."""

    attempts = AttemptSerializer(many=True)


class DeliveryShownSerializer(serializers.Serializer[Any]):
    """A job as LoRA managers expect it."""

    delivery = DeliveryTextsSerializer()


def shown(job: DeliveryJob) -> dict[str, Any]:
    """The values of a job and its texts."""
    held = texts(job)
    return {
        "id": job.uuid,
        "prompt": held.prompt,
        "mode": job.mode,
        "params": held.params,
        "status": job.state,
        "result": held.result,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


class WebhookRequestSerializer(serializers.Serializer[Any]):
    """An endpoint to open."""

    url = serializers.CharField(max_length=2048)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=list(EVENTS)), min_length=1, max_length=len(EVENTS)
    )
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=200, default=""
    )


class WebhookSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint, without its secret."""

    events = serializers.ListField(child=serializers.ChoiceField(choices=list(EVENTS)))
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = WebhookEndpoint
        fields = ["uuid", "url", "events", "description", "created_by", "created_at"]


class OpenedWebhookSerializer(WebhookSerializer):
    """A new endpoint; this answer alone holds its secret."""

    secret = serializers.CharField()

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]
