"""Avatars' training data: upload, list, flags, deletion, addresses, advice."""

from functools import partial
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.parsers import StrictJSONParser
from config.core.uploaded import stream_of
from registry import avatar_selectors as selectors
from registry.domain.avatars import AvatarKeys, parse_training_only
from registry.models import TrainingFile
from registry.services import training_files
from registry.services.training_files import GivenText

from .avatar_base import AvatarView, errors, flag_of
from .avatar_serializers import (
    FileDeletedSerializer,
    FileListSerializer,
    FilesDeletedSerializer,
    FlagRequestSerializer,
    FlagSerializer,
    UploadedSerializer,
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


def _given(file: UploadedFile) -> GivenText:
    # The name as it was sent; Django would strip folders from it silently.
    name = str(getattr(file, "package_path", file.name))
    return GivenText(name, file.size or 0, partial(stream_of, file))


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
