"""Evaluation sets and runs."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import selectors
from compliance.services import evaluation_sets, evaluations
from config.accounts.api.base import PROBLEMS, ApiView, ListView, RequestTooLarge
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry.selectors import version_by_ref

from .base import version_in_query
from .checks import VERSION
from .serializers import (
    EvaluationRequestSerializer,
    EvaluationRunSerializer,
    EvaluationSetRequestSerializer,
    EvaluationSetSerializer,
)

MAX_ITEMS_BYTES = 64 << 20


class EvaluationSetList(ListView):
    """Locked sets."""

    permission_classes = [needs(Act.EVALUATE)]
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="evaluation_sets_list",
        responses={200: EvaluationSetSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All sets, newest first; never an item's text."""
        return self.page(selectors.evaluation_sets(), EvaluationSetSerializer)

    @extend_schema(
        operation_id="evaluation_sets_lock",
        request={"multipart/form-data": EvaluationSetRequestSerializer},
        responses={201: EvaluationSetSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Lock a set under the digest of the file; it never changes afterwards."""
        sent = EvaluationSetRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        values = dict(sent.validated_data)
        file = values.pop("items")
        if file.size > MAX_ITEMS_BYTES:
            raise RequestTooLarge(
                f"The file has {file.size} bytes, {MAX_ITEMS_BYTES} are taken.",
                fix="Split it into several sets.",
            )
        row = evaluation_sets.lock_lines(
            content=file.read(), **values, user=self.user, actor=self.actor
        )
        return Response(EvaluationSetSerializer(row).data, status=status.HTTP_201_CREATED)


class EvaluationSetDetail(ApiView):
    """One set."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="evaluation_sets_get", responses={200: EvaluationSetSerializer, **PROBLEMS}
    )
    def get(self, request: Request, ref: str) -> Response:
        """By uuid, or name@version_name."""
        return Response(EvaluationSetSerializer(selectors.set_by_ref(ref)).data)


class EvaluationList(ListView):
    """Runs of sets through versions."""

    permission_classes = [needs(Act.EVALUATE)]
    query_names = ListView.query_names | {"version"}

    @extend_schema(
        operation_id="evaluations_list",
        parameters=[VERSION],
        responses={200: EvaluationRunSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Runs, newest first."""
        rows = selectors.evaluation_runs(version_in_query(request))
        return self.page(rows, EvaluationRunSerializer)

    @extend_schema(
        operation_id="evaluations_request",
        request=EvaluationRequestSerializer,
        responses={202: EvaluationRunSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Ask that a set be run through a version on a node; a run that still counts is reused."""
        sent = EvaluationRequestSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        run = evaluations.request(
            version=version_by_ref(sent.validated_data["version"]),
            evaluation_set=selectors.set_by_ref(sent.validated_data["evaluation_set"]),
            user=self.user,
            actor=self.actor,
        )
        return Response(EvaluationRunSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class EvaluationDetail(ApiView):
    """One run."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="evaluations_get", responses={200: EvaluationRunSerializer, **PROBLEMS}
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """How far it is, and what it counted."""
        return Response(EvaluationRunSerializer(selectors.run_by_uuid(uuid)).data)
