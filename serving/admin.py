"""Intent and observation as read-only records; no secrets, no texts."""

from config.core.admin import ReadOnlyAdmin, record

from .models import (
    AnalysisRun,
    Answer,
    Deployment,
    Download,
    Feedback,
    Node,
    ProbeRun,
    Replica,
    Revision,
    Rollout,
    RolloutStep,
)


@record(Node)
class NodeAdmin(ReadOnlyAdmin):
    """Engine processes."""

    list_display = ["name", "base_model", "engine", "is_enabled", "last_seen_at", "last_error"]
    list_select_related = ["base_model"]
    list_filter = ["engine", "is_enabled"]
    search_fields = ["name"]
    exclude = ["secret_encrypted"]


@record(Replica)
class ReplicaAdmin(ReadOnlyAdmin):
    """Versions on nodes."""

    list_display = ["version", "node", "state", "proven_at", "failures_count", "error"]
    list_select_related = ["version__adapter", "node"]
    list_filter = ["state", "node"]
    search_fields = ["digest", "node__name"]


@record(ProbeRun)
class ProbeRunAdmin(ReadOnlyAdmin):
    """Recorded answers to the probe prompts."""

    list_display = ["digest", "engine_build", "device", "dtype", "node_name", "recorded_at"]
    search_fields = ["digest", "node_name"]


@record(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Public names and what answers under them."""

    list_display = ["public_name", "adapter", "stable_revision", "stable_since", "is_enabled"]
    list_select_related = ["adapter", "stable_revision"]
    search_fields = ["public_name", "title"]


@record(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    """Numbered specs of deployments."""

    list_display = ["deployment", "number", "version", "created_by", "created_at"]
    list_select_related = ["deployment", "version__adapter", "created_by__person"]
    search_fields = ["digest", "deployment__public_name"]


@record(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    """Moves between revisions."""

    list_display = ["deployment", "strategy", "state", "weight_percent", "trigger", "started_at"]
    list_select_related = ["deployment"]
    list_filter = ["state", "strategy", "trigger"]
    search_fields = ["deployment__public_name", "to_revision__digest"]


@record(RolloutStep)
class RolloutStepAdmin(ReadOnlyAdmin):
    """Steps of rollouts."""

    list_display = ["rollout", "index", "kind", "state", "detail"]
    list_filter = ["kind", "state"]


@record(AnalysisRun)
class AnalysisRunAdmin(ReadOnlyAdmin):
    """Points of the evidence curves."""

    list_display = ["rollout", "signal", "verdict", "canary_bad_count", "canary_count", "at"]
    list_filter = ["signal", "verdict"]


@record(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    """One row an answer; its text is nowhere."""

    list_display = ["answer_id", "deployment", "arm", "failure", "was_replaced", "at"]
    list_select_related = ["deployment"]
    list_filter = ["arm", "failure", "was_replaced"]
    search_fields = ["answer_id", "digest"]


@record(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """Verdicts on answers, without what was written with them."""

    list_display = ["answer_id", "deployment", "arm", "is_bad", "category", "at"]
    list_select_related = ["deployment"]
    list_filter = ["is_bad", "arm"]
    search_fields = ["answer_id", "digest"]
    exclude = ["text_encrypted"]


@record(Download)
class DownloadAdmin(ReadOnlyAdmin):
    """Who pulled which digest from the Hub endpoint."""

    list_display = ["at", "account", "version", "path", "size_bytes", "user_agent"]
    list_select_related = ["account", "version__adapter"]
    search_fields = ["digest", "account__username"]
