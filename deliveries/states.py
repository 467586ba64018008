"""The states of delivery jobs and of each try, as tables."""

from enum import StrEnum

from config.core.states import Transitions
from deliveries.domain.modes import Mode

__all__ = [
    "DELIVERY_MOVES",
    "WAITING_STATES",
    "AttemptState",
    "DeliveryState",
    "Mode",
]


class DeliveryState(StrEnum):
    """An errand: from the wish to its end.

    ::

        pending ─▶ running ─▶ succeeded
                    │  ▲ └──▶ failed
                    ▼  │
                   retrying                 (also when the worker of a try fell silent)
    """

    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


DELIVERY_MOVES: Transitions = {
    DeliveryState.PENDING: frozenset({DeliveryState.RUNNING}),
    DeliveryState.RUNNING: frozenset(
        {DeliveryState.SUCCEEDED, DeliveryState.FAILED, DeliveryState.RETRYING}
    ),
    DeliveryState.RETRYING: frozenset({DeliveryState.RUNNING}),
}
WAITING_STATES = (DeliveryState.PENDING, DeliveryState.RETRYING)


class AttemptState(StrEnum):
    """One try. Lost: its worker fell silent, and nobody knows whether it arrived."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
