"""Deployments."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from config.core.errors import Invalid
from registry.selectors import adapter_by_ref, base_model_by_name, version_by_ref
from serving.selectors import deployments as reads
from serving.selectors.evidence import deployment_counts
from serving.selectors.rollouts import expectation, rollout_by_uuid
from serving.services import deployments, rollbacks

from .serializers import (
    CountsSerializer,
    DeploymentRequestSerializer,
    DeploymentSerializer,
    ExpectationSerializer,
    RollbackRequestSerializer,
    RolloutSerializer,
)


class DeploymentList(ListView):
    """Deployments."""

    permission_classes = [needs(Act.DEPLOY)]

    @extend_schema(
        operation_id="deployments_list",
        responses={200: DeploymentSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        """All deployments with what answers under them."""
        return self.page(reads.deployments(), DeploymentSerializer)

    @extend_schema(
        operation_id="deployments_create",
        request=DeploymentRequestSerializer,
        responses={201: DeploymentSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Open a public name; nothing answers before a version is rolled out."""
        wanted = DeploymentRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        ref, base_name = values.pop("adapter", None), values.pop("base_model", None)
        if ref is None and base_name is None:
            raise Invalid("Neither adapter nor base_model is given.", fix="Give one of them.")
        adapter = adapter_by_ref(ref) if ref is not None else None
        if base_name is not None or adapter is None:
            base_model = base_model_by_name(str(base_name))
        else:
            base_model = adapter.base_model
        made = deployments.create(
            adapter=adapter, base_model=base_model, user=self.user, actor=self.actor, **values
        )
        return Response(
            DeploymentSerializer(reads.deployment_by_name(made.public_name)).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/deployments/{made.public_name}"},
        )


class DeploymentDetail(ApiView):
    """One deployment."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="deployments_get", responses={200: DeploymentSerializer, **PROBLEMS}
    )
    def get(self, request: Request, name: str) -> Response:
        """By public name or uuid."""
        return Response(DeploymentSerializer(reads.deployment_by_name(name)).data)


class DeploymentCounts(ApiView):
    """Answers of a deployment."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(operation_id="deployments_counts", responses={200: CountsSerializer, **PROBLEMS})
    def get(self, request: Request, name: str) -> Response:
        """How many were given, failed, were replaced by stable's, were reported."""
        return Response(deployment_counts(reads.deployment_by_name(name)))


class DeploymentExpectation(ApiView):
    """What a rollout would cost."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="deployments_expectation",
        responses={200: ExpectationSerializer, **PROBLEMS},
    )
    def get(self, request: Request, name: str) -> Response:
        """Requests, candidate answers and days until a canary is decided."""
        found = expectation(reads.deployment_by_name(name))
        return Response(ExpectationSerializer(found).data)


class DeploymentRollback(ApiView):
    """Back to the previous version."""

    permission_classes = [needs(Act.DEPLOY)]

    @extend_schema(
        operation_id="deployments_rollback",
        request=RollbackRequestSerializer,
        responses={202: RolloutSerializer, **PROBLEMS},
    )
    def post(self, request: Request, name: str) -> Response:
        """Brings the previous version back, or the one named; not while a rollout is under way."""
        wanted = RollbackRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        to, leaving = values.get("to"), values.get("leaving")
        made = rollbacks.start(
            deployment=reads.deployment_by_name(name),
            reason=values["reason"],
            to=version_by_ref(to) if to else None,
            leaving=version_by_ref(leaving) if leaving else None,
            user=self.user,
            actor=self.actor,
        )
        return Response(
            RolloutSerializer(rollout_by_uuid(made.uuid)).data, status=status.HTTP_202_ACCEPTED
        )
