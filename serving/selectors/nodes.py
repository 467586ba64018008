"""Reads of nodes and of what they were last seen to hold."""

from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from config.core import clock, keys
from serving.errors import NodeNotFound
from serving.models import Node, Replica
from serving.node_calls import NodeCalls

SEEN_LATELY = timedelta(seconds=15)


def nodes() -> QuerySet[Node]:
    """All nodes with their replicas, newest first."""
    replicas = Replica.objects.select_related("version__adapter").order_by("pk")
    return (
        Node.objects.select_related("base_model")
        .prefetch_related(Prefetch("replicas", queryset=replicas))
        .order_by("-pk")
    )


def node_by_name(name: str) -> Node:
    """The node with this name.

    Raises:
        NodeNotFound: there is none; the message names those that there are.
    """
    found = nodes().filter(name=name).first()
    if found is None:
        known = ", ".join(Node.objects.order_by("name").values_list("name", flat=True)[:20])
        raise NodeNotFound(
            f"There is no node {name[:80]!r}.",
            fix=f"Registered are: {known}." if known else "Register one: manage.py register_node.",
        )
    return found


def is_seen(node: Node) -> bool:
    """Whether the node answered lately."""
    return node.last_seen_at is not None and clock.now() - node.last_seen_at < SEEN_LATELY


def is_usable(node: Node) -> bool:
    """Whether versions may be put on it: enabled, as registered, and answering."""
    return node.is_enabled and bool(node.boot_id) and is_seen(node)


def slots_of(node: Node) -> int:
    """How many adapters the node has room for, as it last said."""
    return int(node.status.get("slots") or 0)


def listed_on(node: Node) -> dict[str, dict[str, Any]]:
    """Name → {digest, state, refs} of each taken slot, as the node last said."""
    return {str(entry.get("name")): entry for entry in node.status.get("loaded") or []}


def calls_to(node: Node) -> NodeCalls:
    """An open line to the node; close it."""
    return NodeCalls(
        name=node.name, url=node.url, secret=keys.decrypt(bytes(node.secret_encrypted))
    )
