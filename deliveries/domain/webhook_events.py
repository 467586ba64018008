"""What webhooks can be told of, and the form in which they are told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "rollout.promoted": "a version answers all requests of a deployment",
        "rollout.rolled_back": "a deployment is back at an earlier version",
        "version.approved": "all signatures of a version are there",
        "stop.issued": "a version is withdrawn everywhere",
        "training.completed": "a training made a version",
        "training.failed": "a training ended without one",
        "training.cancelled": "somebody ended a training",
    }
)
# The acts of the audit trail by which a rollout's end is known.
OF_ROLLOUT: Mapping[str, str] = MappingProxyType(
    {
        "rollout.promoted": "rollout.promoted",
        "rollout.rolled_back": "rollout.rolled_back",
        "rollback.finished": "rollout.rolled_back",
    }
)


def body(*, event_id: str, event: str, at: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """``{"id", "type", "at", "data"}``; ``data`` names by id and digest, quoting nobody."""
    return {"id": event_id, "type": event, "at": at, "data": dict(data)}
