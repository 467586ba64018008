"""Approval requests and the signing act."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import selectors
from compliance.services import approvals
from config.accounts.api.base import PROBLEMS, ApiView, ListView, problems
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry.selectors import version_by_ref

from .approval_serializers import (
    ApprovalDetailSerializer,
    ApprovalRequestSerializer,
    RejectRequestSerializer,
    SignRequestSerializer,
)
from .base import needs_session, version_in_query
from .checks import VERSION
from .serializers import VersionRefSerializer

# A security requirement of OpenAPI is an object; the library's own annotation says text.
SESSION_ALONE: Any = [{"cookieAuth": []}]


class ApprovalList(ListView):
    """Requests for approval."""

    permission_classes = [needs(Act.REQUEST_APPROVAL)]
    query_names = ListView.query_names | {"version"}

    @extend_schema(
        operation_id="approval_requests_list",
        parameters=[VERSION],
        responses={200: ApprovalRequestSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Requests, newest first."""
        rows = selectors.approval_requests(version_in_query(request))
        return self.page(rows, ApprovalRequestSerializer)

    @extend_schema(
        operation_id="approval_requests_create",
        request=VersionRefSerializer,
        responses={201: ApprovalDetailSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Freeze a version's record; 409 lists each blocker with its fix."""
        sent = VersionRefSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        row = approvals.request(
            version=version_by_ref(sent.validated_data["version"]),
            user=self.user,
            actor=self.actor,
        )
        return Response(ApprovalDetailSerializer(row).data, status=status.HTTP_201_CREATED)


class ApprovalDetail(ApiView):
    """One request."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="approval_requests_get", responses={200: ApprovalDetailSerializer, **PROBLEMS}
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """The record, its signatures verified now, and what is due next."""
        return Response(ApprovalDetailSerializer(selectors.request_by_uuid(uuid)).data)


class Sign(ApiView):
    """The signing act. The service asks for the role that the meaning needs."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="approval_requests_sign",
        request=SignRequestSerializer,
        responses={200: ApprovalDetailSerializer, **problems(429)},
        auth=SESSION_ALONE,
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Sign the record with user name, password and code; by session, never with a token."""
        needs_session(request, "A signature")
        sent = SignRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        approvals.sign(
            request=selectors.request_by_uuid(uuid),
            user=self.user,
            actor=self.actor,
            **sent.validated_data,
        )
        return Response(ApprovalDetailSerializer(selectors.request_by_uuid(uuid)).data)


class Reject(ApiView):
    """Closing a request without approval."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="approval_requests_reject",
        request=RejectRequestSerializer,
        responses={200: ApprovalDetailSerializer, **problems(429)},
        auth=SESSION_ALONE,
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Reject with a reason, user name, password and code; by session, in a signing role."""
        needs_session(request, "A rejection")
        sent = RejectRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        approvals.reject(
            request=selectors.request_by_uuid(uuid),
            user=self.user,
            actor=self.actor,
            **sent.validated_data,
        )
        return Response(ApprovalDetailSerializer(selectors.request_by_uuid(uuid)).data)
