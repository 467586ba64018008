"""Nodes and replicas for people and programs."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.accounts.api.base import PROBLEMS, ApiView, ListView
from config.accounts.permissions import needs
from config.accounts.roles import Act
from registry.selectors import base_model_by_name
from serving.selectors import nodes as reads
from serving.selectors import replicas as replica_reads
from serving.services import nodes

from .node_serializers import NodeRequestSerializer, NodeSerializer, ReplicaSerializer
from .serializers import DeployingReasonSerializer


class NodeList(ListView):
    """Nodes."""

    permission_classes = [needs(Act.NODES)]

    @extend_schema(
        operation_id="nodes_list", responses={200: NodeSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """All nodes as last seen."""
        return self.page(reads.nodes(), NodeSerializer)

    @extend_schema(
        operation_id="nodes_register",
        request=NodeRequestSerializer,
        responses={201: NodeSerializer, **PROBLEMS},
    )
    def post(self, request: Request) -> Response:
        """Register a node, or give a registered one a new address or secret."""
        wanted = NodeRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        base_model = base_model_by_name(values.pop("base_model"))
        made = nodes.register(base_model=base_model, actor=self.actor, **values)
        return Response(NodeSerializer(made).data, status=status.HTTP_201_CREATED)


class NodeDetail(ApiView):
    """One node."""

    permission_classes = [needs(Act.NODES)]

    @extend_schema(operation_id="nodes_get", responses={200: NodeSerializer, **PROBLEMS})
    def get(self, request: Request, name: str) -> Response:
        """By name."""
        return Response(NodeSerializer(reads.node_by_name(name)).data)


class NodeSwitch(ApiView):
    """Takes a node out of use, or back into it."""

    permission_classes = [needs(Act.NODES)]
    is_enabled = False

    @extend_schema(request=DeployingReasonSerializer, responses={200: NodeSerializer, **PROBLEMS})
    def post(self, request: Request, name: str) -> Response:
        """With a reason; a node out of use gets no new answer."""
        wanted = DeployingReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        node = nodes.set_enabled(
            node=reads.node_by_name(name),
            is_enabled=self.is_enabled,
            reason=wanted.validated_data["reason"],
            actor=self.actor,
        )
        return Response(NodeSerializer(node).data)


class ReplicaList(ListView):
    """Replicas: what is on which node, wanted and seen."""

    permission_classes = [needs(Act.READ)]

    @extend_schema(
        operation_id="replicas_list", responses={200: ReplicaSerializer(many=True), **PROBLEMS}
    )
    def get(self, request: Request) -> Response:
        """All replicas."""
        return self.page(replica_reads.replicas(), ReplicaSerializer)
