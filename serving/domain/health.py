"""How healthy the parts are, and what that makes of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# Without these nothing can be done at all; whatever else fails, part of the work goes on.
VITAL = frozenset({"database"})


class Status(StrEnum):
    """``off``: not configured here, which is no fault."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    OFF = "off"


# What the checklist's ``state`` calls the same (M93).
LIFECYCLE: Mapping[Status, str] = {
    Status.HEALTHY: "ready",
    Status.DEGRADED: "degraded",
    Status.UNHEALTHY: "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part as measured; ``latency_ms`` is None where nothing was asked over a wire.

    ``detail`` is for people of the house; it may name nodes and queues.
    """

    name: str
    status: Status
    detail: str
    latency_ms: float | None = None


def overall(components: Mapping[str, Component]) -> Status:
    """Unhealthy without a vital part, degraded while any part is not in order."""
    wrong = {
        name
        for name, part in components.items()
        if part.status in {Status.DEGRADED, Status.UNHEALTHY}
    }
    if any(components[name].status is Status.UNHEALTHY for name in wrong & VITAL):
        return Status.UNHEALTHY
    return Status.DEGRADED if wrong else Status.HEALTHY
