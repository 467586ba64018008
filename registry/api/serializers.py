"""Shapes of the registry's API."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.core.fields import JsonField
from registry.models import Adapter, Alias, AliasMove, BaseModel, Label, Version
from registry.models.adapters import SafetyClass


class BaseModelSerializer(serializers.ModelSerializer[BaseModel]):
    """A base model: its digest and the names that adapters may declare."""

    declared_names = serializers.ListField(child=serializers.CharField(), read_only=True)
    architecture = serializers.CharField(source="facts.architecture", read_only=True)
    vocab_size = serializers.IntegerField(source="facts.vocab_size", read_only=True)

    class Meta:
        model = BaseModel
        fields = [
            "uuid",
            "slug",
            "revision",
            "digest",
            "declared_names",
            "architecture",
            "vocab_size",
            "licence",
            "registered_at",
            "registered_by",
        ]
        read_only_fields = fields


class AdapterSerializer(serializers.ModelSerializer[Adapter]):
    """An adapter with what its line of versions holds."""

    ref = serializers.CharField(read_only=True)
    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True)
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    version_count = serializers.IntegerField(read_only=True)
    newest_version_name = serializers.CharField(read_only=True, allow_null=True)
    newest_digest = serializers.CharField(read_only=True, allow_null=True)
    live_version_name = serializers.SerializerMethodField()
    live_digest = serializers.SerializerMethodField()

    class Meta:
        model = Adapter
        fields = [
            "uuid",
            "ref",
            "namespace",
            "slug",
            "name",
            "description",
            "adapter_type",
            "medical_domain",
            "clinical_use_case",
            "tags",
            "safety_class",
            "base_model",
            "owner",
            "created_at",
            "version_count",
            "newest_version_name",
            "newest_digest",
            "live_version_name",
            "live_digest",
        ]
        read_only_fields = fields

    def get_live_version_name(self, adapter: Adapter) -> str | None:
        """The version that the alias ``live`` names."""
        live = self._live(adapter)
        return live.version_name if live else None

    def get_live_digest(self, adapter: Adapter) -> str | None:
        """Its digest."""
        live = self._live(adapter)
        return live.digest if live else None

    @staticmethod
    def _live(adapter: Adapter) -> Version | None:
        aliases: list[Alias] = getattr(adapter, "live_aliases", [])
        return aliases[0].version if aliases else None


class _DescriptionSerializer(serializers.Serializer[None]):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    medical_domain = serializers.CharField(max_length=100, allow_blank=True, required=False)
    clinical_use_case = serializers.CharField(max_length=200, allow_blank=True, required=False)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=50), max_length=30, required=False
    )


class AdapterRequestSerializer(_DescriptionSerializer):
    """What a new adapter is to be."""

    slug = serializers.CharField(max_length=63)
    namespace = serializers.CharField(max_length=63, required=False)
    base_model = serializers.CharField(max_length=500, help_text="slug or declared name")
    safety_class = serializers.ChoiceField(choices=SafetyClass.choices, required=False)
    adapter_type = serializers.CharField(max_length=40, required=False)


class AdapterChangeSerializer(_DescriptionSerializer):
    """The descriptive fields, and no others."""

    name = serializers.CharField(max_length=200, required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse fields that can't be changed instead of ignoring them."""
        if isinstance(data, dict) and (foreign := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(dict.fromkeys(foreign, "This can't be changed."))
        return super().to_internal_value(data)


class StratumSerializer(serializers.Serializer[None]):
    """One part of a population, such as age_group = child."""

    attribute = serializers.CharField(max_length=60)
    level = serializers.CharField(max_length=60)


class LabelRequestSerializer(serializers.Serializer[None]):
    """A version's intended use."""

    purpose = serializers.CharField(max_length=2000)
    population = StratumSerializer(many=True, allow_empty=False)
    setting = serializers.CharField(max_length=200, allow_blank=True, required=False)
    language = serializers.CharField(max_length=35, required=False)
    limits = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    touches_phi = serializers.BooleanField(required=False)


class LabelSerializer(serializers.ModelSerializer[Label]):
    """One revision of a label."""

    population = StratumSerializer(many=True, read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)

    class Meta:
        model = Label
        fields = [
            "revision",
            "purpose",
            "population",
            "setting",
            "language",
            "limits",
            "touches_phi",
            "created_by",
            "created_at",
        ]
        read_only_fields = fields


class FileSerializer(serializers.Serializer[Any]):
    """A file of a version; its bytes are at /api/v1/blobs/{sha256}."""

    path = serializers.CharField()
    sha256 = serializers.CharField(source="blob.sha256")
    size_bytes = serializers.IntegerField(source="blob.size_bytes")


class VersionSerializer(serializers.ModelSerializer[Version]):
    """An immutable version."""

    adapter = serializers.CharField(source="adapter.ref", read_only=True)
    base_model = serializers.CharField(source="adapter.base_model.slug", read_only=True)
    runtime_name = serializers.CharField(read_only=True)
    submitted_by = serializers.CharField(source="submitted_by.username", read_only=True)
    parent = serializers.UUIDField(source="parent.uuid", read_only=True, allow_null=True)  # type: ignore[assignment]
    files = FileSerializer(many=True, read_only=True)
    label = serializers.SerializerMethodField()  # type: ignore[assignment]
    peft_facts = serializers.DictField(read_only=True)

    class Meta:
        model = Version
        fields = [
            "uuid",
            "adapter",
            "base_model",
            "number",
            "version_name",
            "digest",
            "commit_id",
            "runtime_name",
            "size_bytes",
            "peft_facts",
            "notes",
            "parent",
            "submitted_by",
            "submitted_at",
            "files",
            "label",
        ]
        read_only_fields = fields

    @extend_schema_field(LabelSerializer(allow_null=True))
    def get_label(self, version: Version) -> dict[str, Any] | None:
        """The highest revision; ``labels`` is ordered so."""
        labels = list(version.labels.all())
        return dict(LabelSerializer(labels[0]).data) if labels else None


@extend_schema_field(OpenApiTypes.STR)
class _JsonText(JsonField):
    """A form field that holds JSON; the schema calls it what is sent, a text."""

    is_text = True


class SubmissionSerializer(serializers.Serializer[None]):
    """A package: ``files`` with their relative paths, or one ZIP ``archive``."""

    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True, max_length=None), required=False
    )
    archive = serializers.FileField(required=False)
    paths = _JsonText(
        required=False,
        help_text="JSON list: the relative path of each of `files`, in the same order, for "
        "clients that strip folders from file names",
    )
    version_name = serializers.CharField(max_length=63, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=8000, required=False, allow_blank=True)
    label = _JsonText(  # type: ignore[assignment]
        required=False, help_text="JSON object: the label, as PUT …/label takes it"
    )
    parent = serializers.CharField(  # type: ignore[assignment]
        max_length=300, required=False, help_text="ref of a version"
    )

    def validate_paths(self, value: Any) -> list[str]:
        """A list of text."""
        if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
            raise serializers.ValidationError("This must be a JSON list of paths.")
        return value

    def validate_label(self, value: Any) -> Any:
        """As ``LabelRequestSerializer`` says."""
        label = LabelRequestSerializer(data=value)
        label.is_valid(raise_exception=True)
        return label.validated_data

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one form of package, and a path for each file where paths are given."""
        if bool(attrs.get("files")) == bool(attrs.get("archive")):
            raise serializers.ValidationError(
                "Send either files (one part named files for each) or one ZIP named archive."
            )
        paths = attrs.get("paths")
        if paths is not None and len(paths) != len(attrs.get("files", [])):
            raise serializers.ValidationError(
                {"paths": f"There are {len(paths)} paths and {len(attrs.get('files', []))} files."}
            )
        return attrs


class AliasSerializer(serializers.ModelSerializer[Alias]):
    """A movable name and the version that it means now."""

    version = serializers.UUIDField(source="version.uuid", read_only=True)
    version_name = serializers.CharField(source="version.version_name", read_only=True)
    digest = serializers.CharField(source="version.digest", read_only=True)

    class Meta:
        model = Alias
        fields = ["name", "version", "version_name", "digest", "is_protected", "moved_at"]
        read_only_fields = fields


class AliasRequestSerializer(serializers.Serializer[None]):
    """Where an alias is to point, and where the caller believes it points now."""

    to = serializers.CharField(max_length=300, help_text="ref of a version")
    expected = serializers.CharField(
        max_length=300,
        allow_null=True,
        help_text="ref of the version that the alias names now; null when it is not there yet",
    )
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class AliasMoveSerializer(serializers.ModelSerializer[AliasMove]):
    """One move of an alias."""

    from_version = serializers.CharField(
        source="from_version.version_name", read_only=True, allow_null=True, default=None
    )
    to_version = serializers.CharField(
        source="to_version.version_name", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = AliasMove
        fields = ["name", "from_version", "to_version", "moved_by", "reason", "moved_at"]
        read_only_fields = fields
