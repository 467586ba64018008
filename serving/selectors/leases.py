"""The leases that a node is to hold now."""

from datetime import timedelta
from typing import Any

from compliance.models import Permission
from compliance.selectors.permissions import open_permissions
from compliance.selectors.restores import is_held
from compliance.selectors.stops import stopped_digests
from compliance.states import Purpose
from config.core import clock
from registry.models import Version
from serving.models import Node, Replica
from serving.states import ReplicaState


def lease_body(permission: Permission) -> dict[str, Any] | None:
    """A permission as nodes take it, None when it has run out.

    ``ttl_seconds`` is what is left of it, so that a push never makes a lease longer than its last
    renewal did.
    """
    ends_at = permission.renewed_at + timedelta(seconds=permission.ttl_seconds)
    left = (ends_at - clock.now()).total_seconds()
    if left <= 0:
        return None
    return {
        "name": permission.version.runtime_name,
        "digest": permission.digest,
        "purpose": str(permission.purpose),
        "run": str(permission.run.uuid) if permission.run else None,
        "ttl_seconds": round(left, 3),
    }


def leases_of(node: Node) -> list[dict[str, Any]]:
    """Every live permission for a version that has a replica on the node.

    Where serving is held after a restore, only those to evaluate.
    """
    there = (
        Replica.objects.filter(node=node)
        .exclude(state=ReplicaState.UNLOADED)
        .values_list("version_id", flat=True)
    )
    stopped, purpose = stopped_digests(), Purpose.EVALUATE if is_held() else ""
    rows = open_permissions(purpose).select_related("run")
    bodies = [
        lease_body(row)
        for row in rows.filter(version_id__in=list(there))
        if row.digest not in stopped
    ]
    return [body for body in bodies if body is not None]


def lease_for_work(version: Version) -> dict[str, Any] | None:
    """The lease under which a version may be loaded: to serve, else of an evaluation."""
    rows = open_permissions().select_related("run", "version__adapter").filter(version=version)
    order = {Purpose.SERVE: 0, Purpose.EVALUATE: 1}
    for row in sorted(rows, key=lambda row: (order[Purpose(row.purpose)], row.pk)):
        body = lease_body(row)
        if body is not None:
            return body
    return None
