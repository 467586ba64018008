"""Rollouts: preview, start, look, pause, resume, promote, abort."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry.selectors import version_by_ref
from serving.selectors import rollouts as reads
from serving.selectors.deployments import deployment_by_name
from serving.selectors.previews import preview
from serving.services import rollouts

from .serializers import (
    DeployingReasonSerializer,
    EvidenceSerializer,
    PreviewRequestSerializer,
    PreviewSerializer,
    RolloutLineSerializer,
    RolloutRequestSerializer,
    RolloutSerializer,
)


class RolloutList(ListView):
    """Rollouts."""

    permission_classes = [needs(Act.DEPLOY)]

    @extend_schema(
        operation_id="rollouts_list",
        responses={200: RolloutLineSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All rollouts, newest first."""
        return self.page(reads.rollouts(), RolloutLineSerializer)

    @extend_schema(
        operation_id="rollouts_start",
        request=RolloutRequestSerializer,
        responses={201: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Begin to move a deployment to an approved version."""
        wanted = RolloutRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        ref = values.get("version")
        made = rollouts.start(
            deployment=deployment_by_name(values["deployment"]),
            version=version_by_ref(ref) if ref else None,
            strategy=values["strategy"],
            reason=values["reason"],
            user=self.user,
            actor=self.actor,
        )
        return Response(
            RolloutSerializer(reads.rollout_by_uuid(made.uuid)).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/rollouts/{made.uuid}"},
        )


class RolloutPreview(ApiView):
    """What a rollout would cost."""

    permission_classes = [needs(Act.READ)]
    query_names = frozenset(PreviewRequestSerializer().fields)

    @extend_schema(
        operation_id="rollouts_preview",
        parameters=[PreviewRequestSerializer],
        responses={200: PreviewSerializer, **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """Requests, days and evaluation answers until a good and a bad candidate are decided."""
        wanted = PreviewRequestSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        ref = values.get("version")
        found = preview(
            deployment_by_name(values["deployment"]),
            version_by_ref(ref) if ref else None,
            strategy=values["strategy"],
        )
        return Response(PreviewSerializer(found).data)


class RolloutDetail(ApiView):
    """One rollout."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(operation_id="rollouts_get", responses={200: RolloutSerializer, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """With steps, progress and the newest readings."""
        return Response(RolloutSerializer(reads.rollout_by_uuid(uuid)).data)


class RolloutEvidence(ListView):
    """The evidence curve of a rollout."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="rollouts_evidence",
        responses={200: EvidenceSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        """A row for each change of the counts, newest first."""
        rows = reads.evidence_curve(reads.rollout_by_uuid(uuid))
        return self.page(rows, EvidenceSerializer)


class RolloutAct(ApiView):
    """An act on a rollout, with a reason."""

    permission_classes = [needs(Act.DEPLOY)]

    def act(self, uuid: UUID, service: Callable[..., Any]) -> Response:
        """Call ``service``; what follows from it happens within seconds."""
        wanted = DeployingReasonSerializer(data=self.request.data)
        wanted.is_valid(raise_exception=True)
        service(
            rollout=reads.rollout_by_uuid(uuid),
            reason=wanted.validated_data["reason"],
            user=self.user,
            actor=self.actor,
        )
        return Response(RolloutSerializer(reads.rollout_by_uuid(uuid)).data)


class RolloutPause(RolloutAct):
    """Holds a rollout where it is."""

    @extend_schema(
        operation_id="rollouts_pause",
        request=DeployingReasonSerializer,
        responses={200: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Its weight stays, nothing is decided."""
        return self.act(uuid, rollouts.pause)


class RolloutResume(RolloutAct):
    """Lets a paused rollout go on."""

    @extend_schema(
        operation_id="rollouts_resume",
        request=DeployingReasonSerializer,
        responses={200: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Its step is tried again."""
        return self.act(uuid, rollouts.resume)


class RolloutAbort(RolloutAct):
    """Ends a rollout before its promotion."""

    @extend_schema(
        operation_id="rollouts_abort",
        request=DeployingReasonSerializer,
        responses={200: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """The route goes back to stable at once."""
        return self.act(uuid, rollouts.abort)


class RolloutPromote(RolloutAct):
    """Promotes what the analysis could not decide."""

    @extend_schema(
        operation_id="rollouts_promote",
        request=DeployingReasonSerializer,
        responses={200: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Only while it is paused as inconclusive, and where the policy lets a person do it."""
        return self.act(uuid, rollouts.promote)
