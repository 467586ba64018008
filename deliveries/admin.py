"""Work as read-only records; no prompts, no parameters, no results, no secrets."""

from django.db.models import QuerySet
from django.http import HttpRequest

from config.core.admin import ReadOnlyAdmin, record

from .models import Composition, DeliveryAttempt, DeliveryJob, LoraEntry, WebhookEndpoint


@record(DeliveryJob)
class DeliveryJobAdmin(ReadOnlyAdmin):
    """Errands to other machines."""

    list_display = [
        "uuid", "mode", "event", "state", "attempts_count", "created_at", "finished_at",
        "last_error",
    ]  # fmt: skip
    list_filter = ["state", "mode", "event"]
    list_select_related = ["created_by"]
    search_fields = ["uuid"]
    exclude = ["prompt_encrypted", "params_encrypted", "result_encrypted"]


@record(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnlyAdmin):
    """Each try of an errand."""

    list_display = ["job", "number", "state", "started_at", "finished_at", "error"]
    list_filter = ["state"]
    list_select_related = ["job"]
    search_fields = ["job__uuid"]


@record(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Who is told of what happens here; the address's path may be a credential."""

    list_display = ["uuid", "description", "events", "created_by", "created_at", "ended_at"]
    list_select_related = ["created_by"]
    search_fields = ["uuid", "description"]
    exclude = ["secret_encrypted", "url"]


@record(LoraEntry)
class LoraEntryAdmin(ReadOnlyAdmin):
    """The LoRA manager's entries; "in prompt set" says nothing of what is served."""

    list_display = [
        "name", "namespace", "version", "is_compose_active", "ordinal", "weight", "validation",
        "mirrored_at", "updated_at",
    ]  # fmt: skip
    list_filter = ["is_compose_active", "validation", "namespace"]
    list_select_related = ["created_by"]
    search_fields = ["name", "file_path", "sha256"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LoraEntry]:
        """Without the deleted ones."""
        rows: QuerySet[LoraEntry] = super().get_queryset(request)
        return rows.filter(deleted_at__isnull=True)


@record(Composition)
class CompositionAdmin(ReadOnlyAdmin):
    """What prompts were composed of; their texts are not kept."""

    list_display = ["uuid", "composed_at", "composed_by", "format", "tokens", "warnings"]
    list_filter = ["format"]
    search_fields = ["uuid", "composed_by"]
