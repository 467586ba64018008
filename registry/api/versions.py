"""Versions: submitting, reading, labelling."""

from typing import Any, TypedDict

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView, problems
from config.accounts.models import User
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.actors import Actor
from config.core.parsers import StrictJSONParser
from registry import selectors
from registry.models import Version
from registry.services import labels, versions

from .serializers import (
    LabelRequestSerializer,
    LabelSerializer,
    SubmissionSerializer,
    VersionSerializer,
)
from .upload_serializers import ManifestSerializer
from .uploads import PackageParser, source_of, take_unannounced_body


class _Words(TypedDict):
    version_name: str
    label: dict[str, Any] | None
    notes: str
    parent: Version | None
    user: User
    actor: Actor


class VersionList(ListView):
    """An adapter's versions."""

    permission_classes = [needs(Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [PackageParser, StrictJSONParser]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Accept uploads of unknown length too."""
        take_unannounced_body(request)
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="versions_list", responses={200: VersionSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request, ref: str) -> Response:
        """The adapter's versions, newest first."""
        return self.page(selectors.versions_of(selectors.adapter_by_ref(ref)), VersionSerializer)

    @extend_schema(
        operation_id="versions_submit",
        request={
            "multipart/form-data": SubmissionSerializer,
            "application/json": ManifestSerializer,
        },
        responses={200: VersionSerializer, 201: VersionSerializer, **problems(507)},
    )
    def post(self, request: Request, ref: str) -> Response:
        """Submit a package: its files, or as JSON the digests of bytes that are stored.

        The same manifest again answers 200 with the version that is there.
        """
        adapter = selectors.adapter_by_ref(ref)
        is_manifest = request.content_type == StrictJSONParser.media_type
        sent: ManifestSerializer | SubmissionSerializer = (
            ManifestSerializer(data=request.data)
            if is_manifest
            else SubmissionSerializer(data=_fields_of(request))
        )
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        parent = selectors.version_by_ref(values["parent"]) if "parent" in values else None
        words: _Words = {
            "version_name": values.get("version_name", ""),
            "label": values.get("label"),
            "notes": values.get("notes", ""),
            "parent": parent,
            "user": self.user,
            "actor": self.actor,
        }
        if is_manifest:
            version, is_new = versions.submit_manifest(
                adapter=adapter, files=values["files"], **words
            )
        else:
            package = source_of(
                values.get("files", []), values.get("archive"), values.get("paths", [])
            )
            version, is_new = versions.submit(adapter=adapter, package=package, **words)
        return Response(
            VersionSerializer(selectors.version_with_parts(version)).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
            headers={"Location": f"/api/v1/versions/{version.uuid}"},
        )


class VersionDetail(ApiView):
    """One version."""

    permission_classes = [needs(Act.SUBMIT)]

    @extend_schema(operation_id="versions_get", responses={200: VersionSerializer, **PROBLEMS})
    def get(self, request: Request, ref: str) -> Response:
        """By uuid, or adapter@version_name, adapter@alias, adapter@sha256:digest."""
        version = selectors.version_by_ref(ref)
        return Response(VersionSerializer(selectors.version_with_parts(version)).data)


class VersionLabel(ApiView):
    """A version's label."""

    permission_classes = [needs(Act.SUBMIT)]
    parser_classes: list[type[BaseParser]] = [StrictJSONParser]

    @extend_schema(
        operation_id="labels_history",
        responses={200: LabelSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request, ref: str) -> Response:
        """Every revision, the newest first."""
        version = selectors.version_with_parts(selectors.version_by_ref(ref))
        return Response(LabelSerializer(version.labels.all(), many=True).data)

    @extend_schema(
        operation_id="labels_change",
        request=LabelRequestSerializer,
        responses={200: LabelSerializer, **PROBLEMS},
    )
    def put(self, request: Request, ref: str) -> Response:
        """State the intended use anew; this adds a revision."""
        version = selectors.version_by_ref(ref)
        wanted = LabelRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        label = labels.change(
            version=version, user=self.user, actor=self.actor, **wanted.validated_data
        )
        return Response(LabelSerializer(label).data)


def _fields_of(request: Request) -> dict[str, Any]:
    data = request.data
    if not isinstance(data, MultiValueDict):
        return {}
    fields: dict[str, Any] = {key: data[key] for key in data if key != "files"}
    if files := data.getlist("files"):
        fields["files"] = files
    return fields
