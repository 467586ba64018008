"""Uploads in chunks: begin, ask, continue, end."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView, problems
from config.accounts.api.queries import digest
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry import selectors
from registry.domain.uploads import parse_checksum, parse_offset
from registry.errors import UploadOffsetWrong
from registry.models import Upload
from registry.services import uploads

from .upload_serializers import UploadRequestSerializer, UploadSerializer
from .uploads import take_unannounced_body

CHUNK_TYPE = "application/offset+octet-stream"
PIECE_BYTES = 64 << 10
CHUNK_HEADERS = [
    OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True),
    OpenApiParameter(
        "Upload-Checksum",
        str,
        OpenApiParameter.HEADER,
        description="sha256 and the chunk's digest in base64 or hex",
    ),
]


class UploadList(ListView):
    """The caller's uploads."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    query_names = ListView.query_names | {"sha256"}

    @extend_schema(
        operation_id="uploads_list",
        parameters=[OpenApiParameter("sha256", str, description="Only of this digest")],
        responses={200: UploadSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """One's own, newest first; this is how a client finds what to resume."""
        sha256 = digest(request.query_params, "sha256")
        return self.page(selectors.uploads_of(self.user, sha256), UploadSerializer)

    @extend_schema(
        operation_id="uploads_begin",
        request=UploadRequestSerializer,
        responses={201: UploadSerializer, **problems(429, 507)},
    )
    def post(self, request: Request) -> Response:
        """Declare a file; its bytes follow by PATCH to the Location."""
        sent = UploadRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        upload = uploads.begin(owner=self.user, **sent.validated_data)
        return Response(
            UploadSerializer(upload).data,
            status=status.HTTP_201_CREATED,
            headers={**_standing(upload), "Location": f"/api/v1/uploads/{upload.uuid}"},
        )


class UploadDetail(ApiView):
    """One upload of the caller; somebody else's is not found."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept chunks of unannounced length too; they are counted."""
        take_unannounced_body(request)
        return super().initialize_request(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        """A wrong offset is answered with the right one."""
        response = super().handle_exception(exc)
        if isinstance(exc, UploadOffsetWrong):
            response["Upload-Offset"] = str(exc.offset_bytes)
        return response

    @extend_schema(operation_id="uploads_get", responses={200: UploadSerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """How far it is."""
        upload = selectors.upload_of(self.user, uuid)
        return Response(UploadSerializer(upload).data, headers=_standing(upload))

    @extend_schema(operation_id="uploads_head", responses={200: None, **PROBLEMS})
    def head(self, request: Request, uuid: UUID) -> HttpResponseBase:
        """``Upload-Offset`` says where the next chunk begins."""
        return HttpResponse(headers=_standing(selectors.upload_of(self.user, uuid)))

    @extend_schema(
        operation_id="uploads_continue",
        parameters=CHUNK_HEADERS,
        request={CHUNK_TYPE: OpenApiTypes.BINARY},
        responses={200: UploadSerializer, **problems(429, 507)},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:
        """Append a chunk of at most 16 MiB; with the last byte the whole is hashed and stored."""
        if request.content_type != CHUNK_TYPE:
            raise UnsupportedMediaType(request.content_type)
        upload = uploads.receive(
            upload=selectors.upload_of(self.user, uuid),
            offset_bytes=parse_offset(request.headers.get("Upload-Offset", "")),
            pieces=_pieces(request),
            checksum=parse_checksum(request.headers.get("Upload-Checksum", "")),
        )
        return Response(UploadSerializer(upload).data, headers=_standing(upload))

    @extend_schema(operation_id="uploads_cancel", responses={204: None, **PROBLEMS})
    def delete(self, request: Request, uuid: UUID) -> Response:
        """End it; bytes that are not whole are deleted."""
        uploads.cancel(upload=selectors.upload_of(self.user, uuid))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _pieces(request: Request) -> Iterator[bytes]:
    # The stream is None where the body is announced as empty.
    while request.stream is not None and (piece := request.stream.read(PIECE_BYTES)):
        yield piece


def _standing(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(uploads.standing_bytes(upload)),
        "Upload-Length": str(upload.size_bytes),
        "Cache-Control": "no-store",
    }
