"""What a node's agent asks and reports; its token speaks for one node and can do nothing else."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from config.accounts.api.base import PROBLEMS, ApiView
from config.accounts.models import ApiToken
from config.accounts.permissions import needs
from config.accounts.roles import Act
from serving.models import Replica
from serving.selectors.work import replica_of_node, work_order
from serving.services import replicas

from .node_serializers import (
    ClaimRequestSerializer,
    ClaimSerializer,
    FailedRequestSerializer,
    ReadyRequestSerializer,
    ReplicaSerializer,
)


class AgentView(ApiView):
    """A view for agents."""

    permission_classes = [needs(Act.REPORT_REPLICAS, reading=Act.REPORT_REPLICAS)]

    def replica(self, uuid: UUID) -> Replica:
        """The replica, if it is on the node that the token speaks for."""
        token = self.request.auth
        name = token.node_name if isinstance(token, ApiToken) else ""
        return replica_of_node(uuid, node_name=name)

    def body(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """The request's body, checked."""
        wanted = serializer(data=self.request.data)
        wanted.is_valid(raise_exception=True)
        return dict(wanted.validated_data)


class Work(AgentView):
    """The work order of a replica."""

    @extend_schema(operation_id="replicas_work", responses={200: OpenApiTypes.OBJECT, **PROBLEMS})
    def get(self, request: Request, uuid: UUID) -> Response:
        """What there is to do now, with files, lease and probe prompts."""
        return Response(work_order(self.replica(uuid)))


class Claim(AgentView):
    """Takes the work."""

    @extend_schema(
        operation_id="replicas_claim",
        request=ClaimRequestSerializer,
        responses={200: ClaimSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """One agent gets it; with ``claim`` the one that has it says that it is at work."""
        body = self.body(ClaimRequestSerializer)
        replica = self.replica(uuid)
        if "claim" in body:
            replicas.renew_claim(replica=replica, attempt=body["claim"])
            return Response({"claim": body["claim"]})
        return Response({"claim": replicas.claim(replica=replica, boot_id=body["boot_id"])})


class Ready(AgentView):
    """Reports a proof."""

    @extend_schema(
        operation_id="replicas_ready",
        request=ReadyRequestSerializer,
        responses={200: ReplicaSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """From now on the version is routable on that node."""
        body = self.body(ReadyRequestSerializer)
        attempt = body.pop("claim")
        made = replicas.acknowledge_ready(
            replica=self.replica(uuid), attempt=attempt, actor=self.actor, **body
        )
        return Response(ReplicaSerializer(made).data)


class Failed(AgentView):
    """Reports a failed load."""

    @extend_schema(
        operation_id="replicas_failed",
        request=FailedRequestSerializer,
        responses={200: ReplicaSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """It is tried again after a pause."""
        body = self.body(FailedRequestSerializer)
        made = replicas.acknowledge_failed(
            replica=self.replica(uuid),
            attempt=body["claim"],
            error=body["error"],
            actor=self.actor,
        )
        return Response(ReplicaSerializer(made).data)


class Unloaded(AgentView):
    """Reports that the node has dropped a version."""

    @extend_schema(
        operation_id="replicas_unloaded",
        request=None,
        responses={200: ReplicaSerializer, **PROBLEMS},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        """Saying it twice is once."""
        made = replicas.acknowledge_unloaded(replica=self.replica(uuid), actor=self.actor)
        return Response(ReplicaSerializer(made).data)
