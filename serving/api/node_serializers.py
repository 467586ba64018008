"""Shapes of serving's API: nodes, replicas, and the work of agents."""

from typing import Any

from rest_framework import serializers

from serving.models import Node, Replica
from serving.selectors import nodes as node_reads
from serving.selectors.probes import same_as_base


class ReplicaSerializer(serializers.ModelSerializer[Replica]):
    """A version on a node: wanted, seen, proven."""

    _same: dict[str, bool | None] | None = None
    node = serializers.CharField(source="node.name", read_only=True)
    runtime_name = serializers.CharField(source="version.runtime_name", read_only=True)
    version = serializers.UUIDField(source="version.uuid", read_only=True)
    is_proven = serializers.SerializerMethodField()
    is_same_as_base = serializers.SerializerMethodField()

    class Meta:
        model = Replica
        fields = [
            "uuid",
            "node",
            "version",
            "runtime_name",
            "digest",
            "state",
            "is_proven",
            "is_same_as_base",
            "proven_boot_id",
            "proven_at",
            "error",
            "attempts",
            "failures_count",
            "unwanted_at",
            "changed_at",
        ]
        read_only_fields = fields

    def get_is_proven(self, replica: Replica) -> bool:
        """Ready under the node's present boot id."""
        return replica.state == "ready" and replica.proven_boot_id == replica.node.boot_id

    def get_is_same_as_base(self, replica: Replica) -> bool | None:
        """Whether its probe equals the base's, so that the adapter does not show."""
        if self._same is None:
            # Read once for a whole page: its rows are those of the list that this belongs to.
            page = getattr(self.parent, "instance", None) or [replica]
            self._same = same_as_base([row.digest for row in page])
        return self._same.get(replica.digest)


class NodeSerializer(serializers.ModelSerializer[Node]):
    """A node as registered and as last seen; never its secret."""

    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    status = serializers.JSONField(read_only=True)
    is_usable = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = [
            "uuid",
            "name",
            "url",
            "base_model",
            "engine",
            "is_enabled",
            "is_usable",
            "boot_id",
            "status",
            "stops_epoch_seen",
            "last_seen_at",
            "last_error",
            "registered_at",
        ]
        read_only_fields = fields

    def get_is_usable(self, node: Node) -> bool:
        """Enabled, as registered, and answering lately."""
        return node_reads.is_usable(node)


class NodeRequestSerializer(serializers.Serializer[Any]):
    """A node to register."""

    name = serializers.CharField(max_length=63)
    url = serializers.CharField(max_length=300)
    secret = serializers.CharField(max_length=200, write_only=True)
    base_model = serializers.CharField(max_length=100, help_text="Slug, uuid or declared name")
    engine = serializers.ChoiceField(choices=["torch", "memory", "vllm"])


class ClaimRequestSerializer(serializers.Serializer[Any]):
    """An agent takes work, or (with ``claim``) says that it is still at it."""

    boot_id = serializers.CharField(max_length=40)
    claim = serializers.IntegerField(required=False)


class ClaimSerializer(serializers.Serializer[Any]):
    """The number under which the work is reported."""

    claim = serializers.IntegerField()


class ReadyRequestSerializer(serializers.Serializer[Any]):
    """An agent's proof."""

    claim = serializers.IntegerField()
    boot_id = serializers.CharField(max_length=40)
    digest = serializers.CharField(max_length=64)
    probe = serializers.DictField()
    base_probe = serializers.DictField(required=False, allow_null=True, default=None)


class FailedRequestSerializer(serializers.Serializer[Any]):
    """Why a load failed."""

    claim = serializers.IntegerField()
    error = serializers.CharField(max_length=1000)
