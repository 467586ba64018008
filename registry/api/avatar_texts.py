"""The texts of avatars' training files: signed addresses, and what lies behind them."""

from collections.abc import Iterator
from typing import IO
from uuid import UUID

from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.authentication import client_ip
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.middleware import request_id_var
from config.core.storage import pieces_of
from registry import avatar_selectors as selectors
from registry.services import training_links
from registry.services.training_links import LINK_SECONDS

from .avatar_base import AvatarView, Stream, errors
from .avatar_serializers import DownloadSerializer


class FileDownload(AvatarView):
    """An address for the text of a file."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="avatar_files_download", responses={200: DownloadSerializer, **errors()}
    )
    def get(self, request: Request, user_id: str, avatar_id: str, file_name: str) -> Response:
        """A signed address that gives the text to whoever has it, for an hour."""
        file = selectors.file_of(self.avatar(avatar_id), file_name)
        query, ends_at = training_links.link(file=file, actor=self.actor)
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
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **errors()},
    )
    def get(self, request: Request, uuid: UUID) -> HttpResponseBase:
        """The plain text, as it was uploaded."""
        file, text = training_links.open_by_link(
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


def _pieces(text: IO[bytes]) -> Iterator[bytes]:
    return pieces_of(text)
