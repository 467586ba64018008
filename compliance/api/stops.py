"""Permissions and stops."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import selectors
from compliance.services import stops
from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry.selectors import version_by_ref

from .base import needs_session, version_in_query
from .checks import VERSION
from .serializers import (
    PermissionSerializer,
    ReasonSerializer,
    StopRequestSerializer,
    StopSerializer,
)


class PermissionList(ListView):
    """Permissions."""

    permission_classes = [needs(Act.READ)]
    query_names = ListView.query_names | {"version"}

    @extend_schema(
        operation_id="permissions_list",
        parameters=[VERSION],
        responses={200: PermissionSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Leases, ended ones too, newest first."""
        return self.page(selectors.all_permissions(version_in_query(request)), PermissionSerializer)


class StopList(ListView):
    """Stops."""

    permission_classes = [needs(Act.STOP)]

    @extend_schema(
        operation_id="stops_list", responses={200: StopSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """Stops, released ones too, newest first."""
        return self.page(selectors.all_stops(), StopSerializer)

    @extend_schema(
        operation_id="stops_issue",
        request=StopRequestSerializer,
        responses={201: StopSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Withdraw a digest everywhere, known here or not; it takes one person."""
        sent = StopRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = sent.validated_data
        digest = values.get("digest") or version_by_ref(values["version"]).digest
        row = stops.issue(digest=digest, reason=values["reason"], user=self.user, actor=self.actor)
        return Response(StopSerializer(row).data, status=status.HTTP_201_CREATED)


class StopAskRelease(ApiView):
    """The first person's half of a release."""

    permission_classes = [needs(Act.STOP)]

    @extend_schema(
        operation_id="stops_ask_release",
        request=ReasonSerializer,
        responses={200: StopSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Ask that a stop be released; by session."""
        needs_session(request, "Asking for a release")
        sent = ReasonSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        row = stops.ask_release(
            stop=selectors.stop_by_uuid(uuid),
            reason=sent.validated_data["reason"],
            user=self.user,
            actor=self.actor,
        )
        return Response(StopSerializer(row).data)


class StopRelease(ApiView):
    """The second person's half."""

    permission_classes = [needs(Act.STOP)]

    @extend_schema(
        operation_id="stops_release", request=None, responses={200: StopSerializer, **PROBLEMS}
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Release a stop that somebody else asked to release; by session."""
        needs_session(request, "A release")
        row = stops.release(stop=selectors.stop_by_uuid(uuid), user=self.user, actor=self.actor)
        return Response(StopSerializer(row).data)
