"""Signed addresses of the object store: fetch a blob there, or send an upload there."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView
from config.accounts.permissions import needs, needs_any
from config.accounts.roles import Act
from registry import selectors
from registry.services import direct_uploads

from .upload_serializers import UploadSerializer


class SignedUrlSerializer(serializers.Serializer[Any]):
    """An address that holds for whoever has it, until it expires."""

    url = serializers.CharField()
    method = serializers.ChoiceField(["GET", "PUT"])
    expires_at = serializers.DateTimeField()
    size_bytes = serializers.IntegerField()


class BlobUrl(ApiView):
    """A signed address of stored bytes."""

    permission_classes = [needs_any(Act.FETCH_BLOBS, Act.READ)]
    is_answer_kept = False  # who has the address has the bytes

    @extend_schema(
        operation_id="blobs_sign", request=None, responses={200: SignedUrlSerializer, **PROBLEMS}
    )
    def post(self, request: Request, sha256: str) -> Response:
        """Where the store itself gives the bytes; 409 where it gives no such addresses."""
        blob = selectors.blob_by_digest(sha256)
        signed = direct_uploads.sign_download(blob=blob, actor=self.actor)
        return Response(SignedUrlSerializer(signed).data, headers={"Cache-Control": "no-store"})


class UploadUrl(ApiView):
    """A signed address for one's own upload."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]
    is_answer_kept = False

    @extend_schema(
        operation_id="uploads_sign", request=None, responses={200: SignedUrlSerializer, **PROBLEMS}
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Where the store itself takes the file, by one PUT of exactly the declared size."""
        upload = selectors.upload_of(self.user, uuid)
        signed = direct_uploads.sign_upload(upload=upload, actor=self.actor)
        return Response(SignedUrlSerializer(signed).data, headers={"Cache-Control": "no-store"})


class UploadTaken(ApiView):
    """What was sent to a signed address."""

    permission_classes = [needs(Act.SUBMIT, reading=Act.SUBMIT)]

    @extend_schema(
        operation_id="uploads_complete",
        request=None,
        responses={200: UploadSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Take it: read, hashed, stored under its digest."""
        upload = direct_uploads.complete(upload=selectors.upload_of(self.user, uuid))
        return Response(UploadSerializer(upload).data)
