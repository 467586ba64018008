"""Shapes of uploads in chunks, and of manifests that name their bytes."""

from typing import Any

from rest_framework import serializers

from config.core.digests import WHOLE_SHA256
from registry.domain.uploads import CHUNK_MAX_BYTES
from registry.models import Upload

from .serializers import LabelRequestSerializer

SHA256 = f"^{WHOLE_SHA256.pattern}$"


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """A file on its way: how much of it is safely stored, and until when it is kept."""

    state = serializers.SerializerMethodField()
    chunk_max_bytes = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = [
            "uuid",
            "path",
            "size_bytes",
            "offset_bytes",
            "sha256",
            "state",
            "chunk_max_bytes",
            "created_at",
            "expires_at",
        ]
        read_only_fields = fields

    def get_state(self, upload: Upload) -> str:
        """``open``, or ``done`` once a manifest may name it."""
        return "done" if upload.is_done else "open"

    def get_chunk_max_bytes(self, upload: Upload) -> int:
        """The most that one PATCH may carry."""
        return CHUNK_MAX_BYTES


class UploadRequestSerializer(serializers.Serializer[None]):
    """The file to come."""

    size_bytes = serializers.IntegerField(min_value=0, max_value=2**62)
    sha256 = serializers.RegexField(
        SHA256, required=False, help_text="Of the whole file, in hex; checked at the end"
    )
    path = serializers.CharField(
        max_length=240,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="What it is in the package",
    )


class ManifestFileSerializer(serializers.Serializer[None]):
    """A path in the package and the digest of its stored bytes."""

    path = serializers.CharField(max_length=1000, trim_whitespace=False)
    sha256 = serializers.RegexField(SHA256)


class ManifestSerializer(serializers.Serializer[None]):
    """A version made of bytes that are stored already."""

    files = ManifestFileSerializer(many=True, allow_empty=False, max_length=1000)  # type: ignore[call-arg]
    version_name = serializers.CharField(max_length=63, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=8000, required=False, allow_blank=True)
    label = LabelRequestSerializer(required=False)  # type: ignore[assignment]
    parent = serializers.CharField(  # type: ignore[assignment]
        max_length=300, required=False, help_text="ref of a version"
    )

    def validate_files(self, value: Any) -> list[tuple[str, str]]:
        """(path, sha256) of each."""
        return [(row["path"], row["sha256"]) for row in value]
