"""The work order that an agent takes for a replica."""

from typing import Any
from uuid import UUID

from compliance.selectors.permissions import open_permissions
from compliance.selectors.stops import is_stopped
from compliance.states import Purpose
from registry.selectors import manifest
from serving.domain import probes
from serving.errors import NotYourNode, ReplicaNotFound
from serving.models import Node, Replica
from serving.selectors.leases import lease_body, lease_for_work
from serving.selectors.probes import recorded_probe
from serving.states import ReplicaState

LOADABLE = (ReplicaState.WANTED, ReplicaState.LOADING)


def replica_of_node(uuid: UUID | str, *, node_name: str) -> Replica:
    """A replica, for the agent of its node.

    Raises:
        ReplicaNotFound: there is none.
        NotYourNode: it is on another node than the token speaks for.
    """
    found = (
        Replica.objects.filter(uuid=uuid)
        .select_related("node__base_model", "version__adapter__base_model")
        .first()
    )
    if found is None:
        raise ReplicaNotFound(f"There is no replica {uuid}.", fix="Drop this work.")
    if not node_name or found.node.name != node_name:
        raise NotYourNode(
            f"This token speaks for {node_name or 'no node'}, the replica is on another one.",
            fix="Use the token of that node's agent.",
        )
    return found


def work_order(replica: Replica) -> dict[str, Any]:
    """What there is to do now: ``load``, ``unload`` or ``nothing``, and all that it takes.

    ``lease`` is None where nothing permits the digest: then there is nothing to load.
    """
    version, node = replica.version, replica.node
    lease = None if is_stopped(replica.digest) else lease_for_work(version)
    action = "nothing"
    if replica.state in LOADABLE and lease is not None:
        action = "load"
    elif replica.state in {ReplicaState.UNLOADING, ReplicaState.UNLOADED}:
        action = "unload"
    known = recorded_probe(node, digest=replica.digest)
    base = recorded_probe(node, digest=node.base_model.digest)
    return {
        "replica": str(replica.uuid),
        "action": action,
        "state": str(replica.state),
        "node": node.name,
        "name": version.runtime_name,
        "digest": replica.digest,
        "base_digest": node.base_model.digest,
        "lease": lease,
        "files": [
            {"path": path, "sha256": sha256, "size_bytes": size_bytes}
            for path, sha256, size_bytes in manifest(version)
        ],
        "probe_prompts": list(probes.PROMPTS),
        "probe_max_tokens": probes.MAX_TOKENS,
        "recorded_probe": known.as_json() if known else None,
        "is_base_probe_known": base is not None,
        "neighbour": _neighbour(node, replica),
    }


def _neighbour(node: Node, replica: Replica) -> dict[str, Any] | None:
    """Another version that answers on the node: its probe must be the same before and after."""
    rows = (
        Replica.objects.filter(node=node, state=ReplicaState.READY, proven_boot_id=node.boot_id)
        .exclude(pk=replica.pk)
        .select_related("version__adapter")
        .order_by("pk")
    )
    for row in rows:
        permission = (
            open_permissions(Purpose.SERVE)
            .select_related("run")
            .filter(version_id=row.version_id)
            .first()
        )
        if permission is not None and lease_body(permission) and not is_stopped(row.digest):
            return {"name": row.version.runtime_name, "digest": row.digest}
    return None
