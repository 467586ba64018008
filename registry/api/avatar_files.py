"""Avatars' training data: upload, list, flags, deletion, addresses, advice."""

from collections.abc import Iterator
from typing import IO, Any, BinaryIO
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.authentication import client_ip
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.middleware import request_id_var
from config.core.parsers import StrictJSONParser
from config.core.storage import pieces_of
from registry import avatar_selectors as selectors
from registry.domain.avatars import AvatarKeys, parse_training_only, recommend
from registry.models import TrainingFile
from registry.services import data_judging, training_files
from registry.services.training_files import LINK_SECONDS, GivenText

from .avatar_base import AvatarView, Stream, errors, flag_of
from .avatar_serializers import (
    DownloadSerializer,
    FileDeletedSerializer,
    FileListSerializer,
    FilesDeletedSerializer,
    FlagRequestSerializer,
    FlagSerializer,
    MetadataSerializer,
    RecommendationsSerializer,
    UploadedSerializer,
    ValidationSerializer,
)
from .uploads import PackageParser, take_unannounced_body

FLAG = OpenApiParameter("use_for_training", bool, description="Whether to train with it")
_FILES = {
    "multipart/form-data": {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
    }
}


class FileUpload(AvatarView):
    """New training files."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [PackageParser]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept uploads of unknown length too."""
        take_unannounced_body(request)
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="avatar_files_upload",
        parameters=[FLAG],
        request=_FILES,
        responses={200: UploadedSerializer, **errors(409, 413, 415, 422, 507)},
    )
    def post(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Store one or several files, all or none; for training unless said otherwise."""
        fields, sent = request.data, request.FILES
        given = [*sent.getlist("file"), *sent.getlist("files")]
        body = {key: fields[key] for key in fields} if isinstance(fields, MultiValueDict) else {}
        avatar, files = training_files.upload(
            owner=self.user,
            avatar_name=avatar_id,
            files=[_given(file) for file in given],
            use_for_training=flag_of(request, "use_for_training", body=body, default=True),
            actor=self.actor,
        )
        said = {
            "message": f"{len(files)} training files stored",
            "files": [_file(row, self.keys(avatar_id)) for row in files],
        }
        return Response(UploadedSerializer(self.named(avatar.name) | said).data)


class FileList(AvatarView):
    """The training files of an avatar."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_list",
        parameters=[
            OpenApiParameter(
                "training_only",
                bool,
                description="true: only flagged, false: only unflagged; absent: all",
            )
        ],
        responses={200: FileListSerializer, **errors()},
    )
    def get(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Every file by name, or those with one flag."""
        flagged = parse_training_only(request.query_params.get("training_only"))
        rows = selectors.files_of(self.avatar(avatar_id), flagged=flagged)
        files = [_file(row, self.keys(avatar_id)) for row in rows]
        said = {"files": files, "total": len(files)}
        return Response(FileListSerializer(self.named(avatar_id) | said).data)


class FileFlag(AvatarView):
    """The flag of one file."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [StrictJSONParser]

    @extend_schema(
        operation_id="avatar_files_flag",
        parameters=[FLAG],
        request=FlagRequestSerializer,
        responses={200: FlagSerializer, **errors(409, 413, 415, 422)},
    )
    def put(self, request: Request, user_id: str, avatar_id: str, file_name: str) -> Response:
        """Say whether the file is to be trained with."""
        flag = flag_of(request, "use_for_training", body=request.data)
        row = training_files.set_flag(
            avatar=self.avatar(avatar_id), name=file_name, use_for_training=flag, actor=self.actor
        )
        said = {"file_name": row.name, "use_for_training": row.use_for_training}
        return Response(FlagSerializer(self.named(avatar_id) | said).data)


class UnflaggedFiles(AvatarView):
    """All files that are not for training."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_delete_unflagged",
        responses={200: FilesDeletedSerializer, **errors(409, 413, 415, 422)},
    )
    def delete(self, request: Request, user_id: str, avatar_id: str) -> Response:
        """Delete them at once."""
        names = training_files.delete_unflagged(avatar=self.avatar(avatar_id), actor=self.actor)
        said = {"status": "deleted", "deleted_files": names, "deleted_count": len(names)}
        return Response(FilesDeletedSerializer(self.named(avatar_id) | said).data)


class FileDetail(AvatarView):
    """One training file."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_delete",
        responses={200: FileDeletedSerializer, **errors(409, 413, 415, 422)},
    )
    def delete(self, request: Request, user_id: str, avatar_id: str, file_name: str) -> Response:
        """Delete it; its bytes can't be opened any more."""
        training_files.delete(avatar=self.avatar(avatar_id), name=file_name, actor=self.actor)
        said = {"status": "deleted", "file_name": file_name}
        return Response(FileDeletedSerializer(self.named(avatar_id) | said).data)


class FileDownload(AvatarView):
    """An address for the text of a file."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_download", responses={200: DownloadSerializer, **errors()}
    )
    def get(self, request: Request, user_id: str, avatar_id: str, file_name: str) -> Response:
        """A signed address that gives the text to whoever has it, for an hour."""
        file = selectors.file_of(self.avatar(avatar_id), file_name)
        query, ends_at = training_files.link(file=file, actor=self.actor)
        place = request.build_absolute_uri(f"/avatar/training-data/content/{file.uuid}")
        said = {
            "file_name": file.name,
            "download_url": f"{place}?{query}",
            "expires_in": LINK_SECONDS,
            "expires_at": ends_at,
        }
        answer = Response(DownloadSerializer(self.named(avatar_id) | said).data)
        answer["Cache-Control"] = "no-store"
        return answer


class FileContent(AvatarView):
    """The text of a file, for whoever has its signed address."""

    authentication_classes = []
    permission_classes = [AllowAny]
    http_method_names = ["get", "head"]

    @extend_schema(
        operation_id="avatar_files_content",
        auth=[],
        parameters=[
            OpenApiParameter("expires", str, required=True),
            OpenApiParameter("signature", str, required=True),
        ],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **errors(503)},
    )
    def get(self, request: Request, uuid: UUID) -> HttpResponseBase:
        """The plain text, as it was uploaded."""
        file, text = training_files.open_by_link(
            uuid=uuid,
            expires=request.query_params.get("expires", ""),
            signature=request.query_params.get("signature", ""),
            actor=self.actor,
        )
        response = Stream(_pieces(text), text.close).answer(
            request, content_type="application/octet-stream"
        )
        response["Content-Length"] = str(file.size_bytes)
        response["Content-Disposition"] = content_disposition_header(True, file.name)
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "no-store"
        return response

    @property
    def actor(self) -> Actor:
        """Nobody signed in: who holds the address, from where he asks."""
        return Actor(
            kind="link",
            name="holder of a signed address",
            ip=client_ip(self.request),
            request_id=request_id_var.get(),
        )

    def check_permissions(self, request: Request) -> None:
        """The signature is the permission; the service checks it."""


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


class _Opener:
    def __init__(self, file: UploadedFile) -> None:
        self._file = file

    def __call__(self) -> BinaryIO:
        stream: BinaryIO = self._file.file  # type: ignore[assignment]
        stream.seek(0)
        return stream


def _given(file: UploadedFile) -> GivenText:
    # The name as it was sent; Django would strip folders from it silently.
    name = str(getattr(file, "package_path", file.name))
    return GivenText(name, file.size or 0, _Opener(file))


def _pieces(text: IO[bytes]) -> Iterator[bytes]:
    return pieces_of(text)


def _file(row: TrainingFile, keys: AvatarKeys) -> dict[str, Any]:
    return {
        "file_id": row.uuid,
        "file_name": row.name,
        "use_for_training": row.use_for_training,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "uploaded_at": row.uploaded_at,
        "scan_state": row.scan_state,
        "s3_key": keys.training_file(row.name),
    }
