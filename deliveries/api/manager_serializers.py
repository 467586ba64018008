"""Shapes of the LoRA manager's contract; they don't change with our tables."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.core.errors import StoreAway
from deliveries.domain.composition_formats import Format
from deliveries.domain.entry_values import MAX_NAME, MAX_ORDINAL, MAX_TAG, MAX_TAGS
from deliveries.domain.file_refs import MAX_LETTERS
from deliveries.models import LoraEntry, Validation
from deliveries.selectors.entries import ORDERS
from deliveries.services.metadata import preview_address

MAX_TEXT = 200_000
MAX_PAGE = 1000
MAX_OFFSET = 10**9


class NumberField(serializers.FloatField):
    """A finite number; ``true`` is none, and one that no float can hold is refused."""

    default_error_messages = {"invalid": "A number is needed."}

    def to_internal_value(self, data: Any) -> float:
        """The number."""
        if isinstance(data, bool):
            self.fail("invalid")
        try:
            return super().to_internal_value(data)
        except OverflowError:
            self.fail("invalid")


class EntrySerializer(serializers.ModelSerializer[LoraEntry]):
    """An adapter as the manager's clients know it; ``active`` is "in the prompt set"."""

    id = serializers.UUIDField(source="uuid", read_only=True)
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    active = serializers.BooleanField(source="is_compose_active", read_only=True)
    sha256 = serializers.SerializerMethodField()
    preview_url = serializers.SerializerMethodField()
    metadata_uri = serializers.SerializerMethodField()
    validation_status = serializers.ChoiceField(
        source="validation", choices=Validation.choices, read_only=True
    )

    class Meta:
        model = LoraEntry
        fields = [
            "id",
            "namespace",
            "name",
            "version",
            "tags",
            "file_path",
            "weight",
            "active",
            "ordinal",
            "archetype",
            "archetype_confidence",
            "sha256",
            "size_bytes",
            "preview_url",
            "metadata_uri",
            "validation_status",
            "validation_detail",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_sha256(self, entry: LoraEntry) -> str | None:
        """Null until the file was hashed."""
        return entry.sha256 or None

    @extend_schema_field(OpenApiTypes.STR)
    def get_preview_url(self, entry: LoraEntry) -> str | None:
        """Its address, signed for a while where it lies in the object store."""
        try:
            return preview_address(entry) or None
        except StoreAway:
            return entry.preview_uri  # where it lies; without an account nobody can sign it

    def get_metadata_uri(self, entry: LoraEntry) -> str | None:
        """The document that the entry was registered from."""
        return entry.metadata_uri or None


class EntryBodySerializer(serializers.Serializer[Any]):
    """``{"adapter": …}``."""

    adapter = EntrySerializer()


class EntryPageSerializer(serializers.Serializer[Any]):
    """One page; ``total`` counts everything that matches."""

    items = EntrySerializer(many=True)
    total = serializers.IntegerField()
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()


class EntryChangeSerializer(serializers.Serializer[Any]):
    """The fields that can be changed."""

    namespace = serializers.CharField(max_length=63, required=False)
    name = serializers.CharField(max_length=MAX_NAME, trim_whitespace=False, required=False)
    version = serializers.CharField(
        max_length=63, allow_null=True, allow_blank=True, required=False
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=MAX_TAG), max_length=MAX_TAGS, required=False
    )
    file_path = serializers.CharField(max_length=MAX_LETTERS, trim_whitespace=False, required=False)
    weight = NumberField(required=False)
    active = serializers.BooleanField(required=False)
    ordinal = serializers.IntegerField(
        min_value=-MAX_ORDINAL, max_value=MAX_ORDINAL, allow_null=True, required=False
    )
    archetype = serializers.CharField(
        max_length=100, allow_null=True, allow_blank=True, required=False
    )
    archetype_confidence = NumberField(min_value=0, max_value=1, allow_null=True, required=False)
    preview_url = serializers.CharField(max_length=MAX_LETTERS, required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse fields that can't be changed instead of leaving them out in silence."""
        if isinstance(data, dict) and (foreign := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(dict.fromkeys(foreign, "This can't be changed."))
        return super().to_internal_value(data)


class EntryRequestSerializer(EntryChangeSerializer):
    """A new adapter: ``name`` and ``file_path``, or ``metadata_uri`` of a document with them.

    Fields that we don't know are left alone: later versions of the manager send more. Null says
    nothing, as does a field that is not there.
    """

    metadata_uri = serializers.CharField(max_length=MAX_LETTERS, required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Without the fields that are not ours, or say nothing."""
        if isinstance(data, dict):
            data = {
                field: value
                for field, value in data.items()
                if field in self.fields and value is not None
            }
        return super().to_internal_value(data)


class EntryQuerySerializer(serializers.Serializer[Any]):
    """What a list is asked for."""

    active = serializers.BooleanField(required=False, allow_null=True, default=None)
    tag = serializers.CharField(max_length=MAX_TAG, allow_blank=True, required=False)
    namespace = serializers.CharField(max_length=63, allow_blank=True, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=100)
    offset = serializers.IntegerField(min_value=0, max_value=MAX_OFFSET, default=0)
    order_by = serializers.ChoiceField(
        choices=[*ORDERS, *(f"-{name}" for name in ORDERS)], default="created_at"
    )


class OrdinalSerializer(serializers.Serializer[Any]):
    """Where in the prompt an adapter is to stand."""

    ordinal = serializers.IntegerField(
        min_value=-MAX_ORDINAL, max_value=MAX_ORDINAL, required=False, allow_null=True
    )


class DeliveryWishSerializer(serializers.Serializer[Any]):
    """How the prompt is to be delivered; the whole object becomes the job's parameters."""

    mode = serializers.CharField(max_length=20, help_text="http, cli, s3 or webhook")
    http = serializers.DictField(required=False, help_text="host, port, path")
    cli = serializers.DictField(required=False, help_text="template")

    def to_internal_value(self, data: Any) -> Any:
        """The object as it was sent, once its known parts have the right types."""
        super().to_internal_value(data)
        return dict(data)


class ComposeRequestSerializer(serializers.Serializer[Any]):
    """What stands before and after the adapters, and what becomes of the prompt."""

    prefix = serializers.CharField(
        max_length=MAX_TEXT, allow_blank=True, allow_null=True, required=False
    )
    suffix = serializers.CharField(
        max_length=MAX_TEXT, allow_blank=True, allow_null=True, required=False
    )
    namespace = serializers.CharField(max_length=63, allow_blank=True, required=False)
    format = serializers.ChoiceField(choices=[str(form) for form in Format], required=False)
    delivery = DeliveryWishSerializer(required=False, allow_null=True)


class DeliveryReceiptSerializer(serializers.Serializer[Any]):
    """The delivery job that was opened."""

    id = serializers.UUIDField()
    status = serializers.CharField()


class ComposedSerializer(serializers.Serializer[Any]):
    """The prompt and what it was made with."""

    prompt = serializers.CharField()
    tokens = serializers.ListField(child=serializers.CharField())
    warnings = serializers.ListField(child=serializers.CharField())
    composition_id = serializers.UUIDField()
    request = serializers.DictField(
        required=False, help_text="With format vllm or messages: the body for the model's server"
    )
    delivery = DeliveryReceiptSerializer(required=False)
