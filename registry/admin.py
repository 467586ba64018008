"""The registry's facts as read-only records."""

from config.core.admin import ReadOnlyAdmin, record

from .models import Adapter, AliasMove, BaseModel, Blob, Label, Version


@record(BaseModel)
class BaseModelAdmin(ReadOnlyAdmin):
    """Base models."""

    list_display = ["slug", "digest", "revision", "licence", "registered_at", "registered_by"]
    search_fields = ["slug", "digest"]
    exclude = ["facts"]


@record(Adapter)
class AdapterAdmin(ReadOnlyAdmin):
    """Adapters."""

    list_display = ["name", "namespace", "slug", "safety_class", "base_model", "owner"]
    list_select_related = ["base_model", "owner__person"]
    list_filter = ["safety_class"]
    search_fields = ["name", "slug"]


@record(Version)
class VersionAdmin(ReadOnlyAdmin):
    """Versions."""

    list_display = ["adapter", "version_name", "digest", "size_bytes", "submitted_by"]
    list_select_related = ["adapter", "submitted_by__person"]
    search_fields = ["digest", "version_name", "adapter__slug"]


@record(Label)
class LabelAdmin(ReadOnlyAdmin):
    """Intended uses, every revision."""

    list_display = ["version", "revision", "language", "touches_phi", "created_by", "created_at"]
    list_select_related = ["version__adapter", "created_by__person"]


@record(AliasMove)
class AliasMoveAdmin(ReadOnlyAdmin):
    """Where aliases pointed."""

    list_display = ["adapter", "name", "from_version", "to_version", "moved_by", "moved_at"]
    list_select_related = ["adapter", "from_version__adapter", "to_version__adapter"]
    search_fields = ["name", "adapter__slug"]


@record(Blob)
class BlobAdmin(ReadOnlyAdmin):
    """Stored bytes."""

    list_display = ["sha256", "size_bytes", "created_at"]
    search_fields = ["sha256"]
