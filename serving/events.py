"""What happens in serving."""

from dataclasses import dataclass

from config.core.events import Event


@dataclass(frozen=True, kw_only=True)
class RolloutMoved(Event):
    """A rollout changed its state, its step or its weight; ``what``: the act of its audit event."""

    action = "rollout.moved"
    rollout_id: int
    what: str = ""


@dataclass(frozen=True, kw_only=True)
class ReplicaMoved(Event):
    """A replica changed its state."""

    action = "replica.moved"
    replica_id: int
