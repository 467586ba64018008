"""The artifact contract: upload a file for a model, fetch it or its record."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.digests import CHUNK_BYTES
from registry import artifact_selectors as selectors
from registry.domain.artifacts import KINDS, content_type_of
from registry.models import Artifact, ModelRecord
from registry.services import artifacts
from registry.storage_errors import ArtifactIdMissing, ArtifactTypeInvalid

from .artifact_bodies import read
from .artifact_contract import (
    CORS,
    ENVELOPE,
    ArtifactContractView,
    enveloped_pieces,
    is_enveloped,
)
from .artifact_serializers import (
    ArtifactErrorSerializer,
    ArtifactSerializer,
    ArtifactUploadedSerializer,
    ArtifactUploadSerializer,
)
from .uploads import PackageParser, take_unannounced_body

TRUE = frozenset({"true", "1", "yes"})
_ENVELOPE = OpenApiParameter(
    ENVELOPE, str, OpenApiParameter.HEADER, description="lambda: answer in the Lambda envelope"
)


def _errors(*statuses: int) -> dict[int, OpenApiResponse]:
    return {
        status: OpenApiResponse(ArtifactErrorSerializer, description="What is wrong, and a code")
        for status in statuses
    }


class ArtifactUpload(ArtifactContractView):
    """Uploads of one type."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [PackageParser]
    meaning_headers = ("X-Model-Name", "Content-Disposition")

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept bodies of unannounced length too; they are counted."""
        take_unannounced_body(request)
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="artifacts_upload",
        parameters=[
            OpenApiParameter(
                "X-Model-Name",
                str,
                OpenApiParameter.HEADER,
                description="For bodies that are no forms",
            ),
            _ENVELOPE,
        ],
        request={
            "multipart/form-data": ArtifactUploadSerializer,
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={
            200: ArtifactUploadedSerializer,
            **_errors(400, 401, 403, 404, 409, 413, 415, 422, 500),
        },
    )
    def post(self, request: Request, artifact_type: str) -> Response:
        """Store a file for a model, whose record points at it from now on."""
        kind = _kind(artifact_type)
        given = read(request, kind)
        artifact = artifacts.upload(
            kind=kind,
            name=given.name,
            file_name=given.file_name,
            content_type=content_type_of(given.file_name),
            pieces=given.pieces,
            user=self.user,
            actor=self.actor,
        )
        said = {"message": "Artifact uploaded successfully"}
        return Response(said | _metadata(artifact.record, artifact))


class ArtifactDetail(ArtifactContractView):
    """One model's artifact of one type."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="artifacts_download",
        parameters=[
            OpenApiParameter("metadata_only", str, description="true, 1 or yes: the record alone"),
            _ENVELOPE,
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (200, "application/json"): ArtifactSerializer,
            **_errors(400, 401, 403, 404, 500),
        },
    )
    def get(self, request: Request, artifact_type: str, id: str) -> HttpResponseBase:
        """The file as it was uploaded, or the record with its key."""
        record, artifact = _found(artifact_type, id)
        if request.query_params.get("metadata_only", "").lower() in TRUE:
            return Response(_metadata(record, artifact))
        return _file(request._request, artifact)

    def head(self, request: Request, artifact_type: str, id: str) -> HttpResponseBase:
        """The headers of the file; the store is asked whether it is there, nothing is read."""
        _, artifact = _found(artifact_type, id)
        artifacts.require_bytes(artifact)
        return HttpResponse(headers=_headers(artifact))


class ArtifactUnnamed(ArtifactContractView):
    """A path that ends before the model's name."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(exclude=True)
    def get(self, request: Request, artifact_type: str) -> Response:
        """Says what is missing."""
        raise _id_missing(_kind(artifact_type))


def _id_missing(kind: str) -> ArtifactIdMissing:
    return ArtifactIdMissing(
        "The path names no model.", fix=f"Ask for /artifacts/{kind}/<model name>."
    )


def _kind(artifact_type: str) -> str:
    kind = artifact_type.lower()
    if kind not in KINDS:
        raise ArtifactTypeInvalid(
            f"Invalid artifact type {artifact_type[:50]!r}.", fix=f"Use one of {', '.join(KINDS)}."
        )
    return kind


def _found(artifact_type: str, id: str) -> tuple[ModelRecord, Artifact]:
    kind = _kind(artifact_type)
    if not id.strip():
        raise _id_missing(kind)
    record = selectors.record_by_name(id)
    return record, selectors.artifact_of(record, kind)


def _metadata(record: ModelRecord, artifact: Artifact) -> dict[str, Any]:
    return {
        "artifact_type": artifact.kind,
        "model_name": record.name,
        "s3_key": artifact.key,
        "model": selectors.as_record(record).to_dict(),
    }


def _file(request: HttpRequest, artifact: Artifact) -> HttpResponseBase:
    first, stream = artifacts.open_bytes(artifact)
    headers = _headers(artifact)
    pieces = chain([first], _rest(stream))
    if is_enveloped(request):
        return _streamed(
            request,
            enveloped_pieces(headers | dict(CORS), pieces),
            {"Content-Type": "application/json"},
        )
    return _streamed(request, pieces, headers)


def _headers(artifact: Artifact) -> dict[str, str]:
    return {
        "Content-Type": artifact.content_type,
        "Content-Disposition": content_disposition_header(True, artifact.file_name) or "attachment",
        "Content-Length": str(artifact.blob.size_bytes),
        "ETag": f'"{artifact.blob.sha256}"',
        "X-Content-Type-Options": "nosniff",
    }


def _streamed(
    request: HttpRequest, pieces: Iterator[bytes], headers: dict[str, str]
) -> StreamingHttpResponse:
    # Django under ASGI would read a synchronous iterator to its end before the first byte.
    flowing = _async(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(flowing, headers=headers)


def _rest(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece


async def _async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await sync_to_async(_next, thread_sensitive=False)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
