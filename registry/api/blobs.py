"""Bytes by digest, for node agents and readers."""

from collections.abc import AsyncIterator, Iterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from config.accounts.api.base import PROBLEMS, ApiView
from config.accounts.permissions import needs_any
from config.accounts.roles import Act
from config.core.digests import CHUNK_BYTES
from registry import selectors
from registry.services import blobs


class BlobDetail(ApiView):
    """Stored bytes."""

    permission_classes = [needs_any(Act.FETCH_BLOBS, Act.READ)]

    @extend_schema(
        operation_id="blobs_get",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **PROBLEMS},
    )
    def get(self, request: Request, sha256: str) -> HttpResponseBase:
        """The bytes, streamed. Who reads them hashes them again."""
        blob = selectors.blob_by_digest(sha256)
        stream = blobs.stream(blob)
        # Django under ASGI would read a synchronous iterator to its end before the first byte.
        is_async = isinstance(request._request, ASGIRequest)
        response = StreamingHttpResponse(
            _pieces_async(stream) if is_async else _pieces(stream),
            content_type="application/octet-stream",
        )
        return _described(response, sha256, blob.size_bytes)

    @extend_schema(operation_id="blobs_head", responses={200: None, **PROBLEMS})
    def head(self, request: Request, sha256: str) -> HttpResponseBase:
        """Whether the bytes are there, and how many; the store is asked, nothing is read."""
        blob = selectors.blob_by_digest(sha256)
        blobs.require_stored(blob)
        return _described(
            HttpResponse(content_type="application/octet-stream"), sha256, blob.size_bytes
        )


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(CHUNK_BYTES):
            yield piece


async def _pieces_async(stream: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while piece := await sync_to_async(stream.read, thread_sensitive=False)(CHUNK_BYTES):
            yield piece
    finally:
        stream.close()


def _described(response: HttpResponseBase, sha256: str, size_bytes: int) -> HttpResponseBase:
    response["ETag"] = f'"{sha256}"'
    response["Content-Length"] = str(size_bytes)
    response["Content-Disposition"] = f'attachment; filename="{sha256}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
