"""What there is to say of an avatar's training data: its flags, advice by size, findings."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry import avatar_selectors as selectors
from registry.domain.avatars import recommend
from registry.services import data_judging

from .avatar_base import AvatarView, errors
from .avatar_serializers import (
    MetadataSerializer,
    RecommendationsSerializer,
    ValidationSerializer,
)


class FilesMetadata(AvatarView):
    """The flags file."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_metadata", responses={200: MetadataSerializer, **errors()}
    )
    def get(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """File and flag of each file, and counts; an avatar that is not there has none."""
        avatar = selectors.find_avatar(owner=self.user, name=avatar_id)
        flags = selectors.flags_of(avatar) if avatar is not None else {}
        training = sum(flags.values())
        said = {
            "status": "found" if flags else "not_found",
            "metadata": flags,
            "summary": {
                "total": len(flags),
                "training": training,
                "non_training": len(flags) - training,
            },
            "s3_key": self.keys(avatar_id).flags,
        }
        return Response(MetadataSerializer(self.named(avatar_id) | said).data)


class Recommendations(AvatarView):
    """Parameters that suit the flagged data."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_recommendations",
        responses={200: RecommendationsSerializer, **errors()},
    )
    def get(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """By the size of what is flagged."""
        avatar = self.avatar(avatar_id)
        size_bytes = selectors.flagged_bytes(avatar)
        said = {
            "data_bytes": size_bytes,
            "training_files": selectors.counts_of(avatar)["training"],
            "recommendations": recommend(size_bytes),
        }
        return Response(RecommendationsSerializer(self.named(avatar_id) | said).data)


class Validation(AvatarView):
    """Whether the flagged data can be trained on."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_validate_data", responses={200: ValidationSerializer, **errors()}
    )
    def get(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Every flagged file with what is wrong in it, by line and never by its text."""
        rows = selectors.files_of(self.avatar(avatar_id), flagged=True).select_related("blob")
        judged = data_judging.judge(rows.defer(None))
        valid = sum(row.is_valid for row in judged)
        said = {
            "valid": bool(judged) and valid == len(judged),
            "total_files": len(judged),
            "valid_files": valid,
            "total_bytes": sum(row.file.size_bytes for row in judged),
            "files": [
                {
                    "file_name": row.file.name,
                    "valid": row.is_valid,
                    "findings": [found.as_json() for found in row.findings],
                }
                for row in judged
            ],
        }
        return Response(ValidationSerializer(self.named(avatar_id) | said).data)

    @extend_schema(
        operation_id="avatar_validate_data_post",
        request=None,
        responses={200: ValidationSerializer, **errors(409, 413, 415, 422)},
    )
    def post(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """The same: nothing is changed."""
        return self.get(request, user_id, avatar_id)


@extend_schema_view(get=extend_schema(operation_id="avatar_adapter_recommendations"))
class AdapterRecommendations(Recommendations):
    """The same under the adapter's own address."""


@extend_schema_view(
    get=extend_schema(operation_id="avatar_adapter_validate_data"),
    post=extend_schema(operation_id="avatar_adapter_validate_data_post"),
)
class AdapterValidation(Validation):
    """The same under the adapter's own address."""
