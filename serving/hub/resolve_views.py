"""The bytes of files: what HEAD tells, and GET with ranges."""

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from config.accounts.models import ApiToken
from registry.models import Version
from registry.services import blobs

from . import ledger
from .base import COMMIT, AnythingAccepted, HubView, refusals
from .files import HubFile, file_at
from .ranges import Span, span_of
from .streams import Pieces, let_go_of_the_database

CONTENT_TYPE = "application/octet-stream"
COUNTER = "X-HF-Download-Counter"
CACHE_CONTROL = "private, no-transform"
_UNCHANGED = OpenApiResponse(description="If-None-Match names these very bytes")


class Resolve(HubView):
    """One file of a revision."""

    content_negotiation_class = AnythingAccepted

    @extend_schema(
        operation_id="hub_file_get",
        parameters=[
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="bytes=first-last"),
            OpenApiParameter(
                "If-None-Match", str, OpenApiParameter.HEADER, description="ETags of copies"
            ),
            OpenApiParameter(
                COUNTER, str, OpenApiParameter.HEADER, description="1: count this download"
            ),
        ],
        responses={
            (200, CONTENT_TYPE): OpenApiTypes.BINARY,
            (206, CONTENT_TYPE): OpenApiTypes.BINARY,
            304: _UNCHANGED,
            **refusals(404, 416),
        },
    )
    def get(self, request: Request, **names: str) -> HttpResponseBase:
        """The bytes, streamed; whoever is given weights is written into the ledger before."""
        version = self.version(self.adapter())
        file = file_at(version, names["path"])
        if _is_held_already(request, file):
            return _not_modified(version, file)
        span = span_of(_range_of(request, file), size_bytes=file.size_bytes)
        pieces = Pieces(file, span, of=version.digest)
        if file.is_weights or request.headers.get(COUNTER) == "1":
            ledger.count(
                file=file,
                version=version,
                span=span,
                user=self.user,
                actor=self.actor,
                token_name=request.auth.name if isinstance(request.auth, ApiToken) else "",
                user_agent=request.headers.get("User-Agent", ""),
            )
        let_go_of_the_database()
        is_async = isinstance(request._request, ASGIRequest)
        response = StreamingHttpResponse(
            aiter(pieces) if is_async else iter(pieces),
            status=206 if span.is_partial else 200,
            content_type=CONTENT_TYPE,
        )
        if span.is_partial:
            response["Content-Range"] = span.content_range
        return _described(response, version, file, span)

    @extend_schema(
        operation_id="hub_file_head", responses={200: None, 304: _UNCHANGED, **refusals(404)}
    )
    def head(self, request: Request, **names: str) -> HttpResponseBase:
        """Commit, digest and size of the file; the store is asked, nothing is read."""
        version = self.version(self.adapter())
        file = file_at(version, names["path"])
        if _is_held_already(request, file):
            return _not_modified(version, file)
        blobs.require_stored(file.blob)
        whole = Span(0, file.size_bytes, file.size_bytes, is_partial=False)
        return _described(HttpResponse(content_type=CONTENT_TYPE), version, file, whole)


def _range_of(request: Request, file: HubFile) -> str:
    """``Range``, unless the client holds a part of another file (``If-Range``)."""
    condition = request.headers.get("If-Range", "")
    if condition and condition.strip('"') != file.sha256:
        return ""
    return request.headers.get("Range", "")


def _is_held_already(request: Request, file: HubFile) -> bool:
    """Whether the client says that it holds these bytes (RFC 9110, 13.1.2)."""
    named = [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]
    return "*" in named or file.sha256 in {tag.removeprefix("W/").strip('"') for tag in named}


def _not_modified(version: Version, file: HubFile) -> HttpResponseBase:
    response = HttpResponse(status=304)
    del response["Content-Type"]
    response[COMMIT] = version.commit_id
    response["ETag"] = f'"{file.sha256}"'
    response["Cache-Control"] = CACHE_CONTROL
    return response


def _described(
    response: HttpResponseBase, version: Version, file: HubFile, span: Span
) -> HttpResponseBase:
    name = file.path.rpartition("/")[2]
    response[COMMIT] = version.commit_id
    response["ETag"] = response["X-Linked-Etag"] = f'"{file.sha256}"'
    response["X-Linked-Size"] = str(file.size_bytes)
    response["Content-Length"] = str(span.length)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    # Nobody on the way may compress the bytes: then neither length nor ranges would hold.
    response["Cache-Control"] = CACHE_CONTROL
    response["X-Content-Type-Options"] = "nosniff"
    return response
