"""Work as read-only records; no prompts, no parameters, no results, no secrets."""

from config.core.admin import ReadOnlyAdmin, record

from .models import DeliveryAttempt, DeliveryJob, WebhookEndpoint


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
