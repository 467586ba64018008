"""Rollouts: start, look, pause, resume, abort."""

from collections.abc import Callable
from typing import Any, ClassVar
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
from serving.services import rollouts

from .serializers import (
    EvidenceSerializer,
    ReasonSerializer,
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
    act: ClassVar[Callable[..., Any]]

    def post(self, request: Request, uuid: UUID) -> Response:
        """Do it; what follows from it happens within seconds."""
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        type(self).act(
            rollout=reads.rollout_by_uuid(uuid),
            reason=wanted.validated_data["reason"],
            user=self.user,
            actor=self.actor,
        )
        return Response(RolloutSerializer(reads.rollout_by_uuid(uuid)).data)


_SCHEMA: dict[str, Any] = {
    "request": ReasonSerializer,
    "responses": {200: RolloutSerializer, **PROBLEMS},
}


@extend_schema(operation_id="rollouts_pause", **_SCHEMA)
class RolloutPause(RolloutAct):
    """Holds a rollout where it is."""

    act = staticmethod(rollouts.pause)


@extend_schema(operation_id="rollouts_resume", **_SCHEMA)
class RolloutResume(RolloutAct):
    """Lets a paused rollout go on."""

    act = staticmethod(rollouts.resume)


@extend_schema(operation_id="rollouts_abort", **_SCHEMA)
class RolloutAbort(RolloutAct):
    """Ends a rollout before its promotion."""

    act = staticmethod(rollouts.abort)
