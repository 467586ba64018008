"""What was measured at one moment, as plain values that rules judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class AlertSeverity(StrEnum):
    """How soon a person should look: now, or today."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFact:
    """An open rollout; ``step``: the kind that is under way, empty where none is."""

    uuid: str
    version: str
    deployment: str
    state: str
    paused_reason: str
    step: str
    step_detail: str
    moved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFact:
    """A node in use, as last seen."""

    name: str
    is_seen: bool
    last_seen_at: datetime | None
    registered_at: datetime
    last_error: str
    stops_epoch_seen: int
    slots: int
    slots_taken: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFact:
    """A version that is wanted on a node and not proven there, or there and not wanted."""

    node: str
    version: str
    is_wanted: bool
    state: str
    failures_count: int
    error: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFact:
    """An open permission to serve what is not stopped."""

    version: str
    digest: str
    ttl_seconds: int
    renewed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckFact:
    """A permitted version whose newest nightly check found something, or broke down."""

    version: str
    fault: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What Redis told: queue → waiting messages; sign of life → its age in seconds.

    ``fault`` is not empty where it did not answer, and then the rest is empty.
    """

    fault: str = ""
    queues: Mapping[str, int] = field(default_factory=dict)
    ages_seconds: Mapping[str, float] = field(default_factory=dict)
    workers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFact:
    """Trainings and deliveries under way.

    ``training_due_since``: since when one could be trained and none is; ``training_silent_since``:
    when the most silent worker of one was heard; ``delivery_due_since``: when the delivery that
    waits longest should have been tried.
    """

    trainings_waiting: int = 0
    trainings_running: int = 0
    training_due_since: datetime | None = None
    training_silent_since: datetime | None = None
    delivery_due_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the rules look at; ``broker`` is None where none is configured."""

    at: datetime
    rollouts: tuple[RolloutFact, ...] = ()
    nodes: tuple[NodeFact, ...] = ()
    drifts: tuple[DriftFact, ...] = ()
    leases: tuple[LeaseFact, ...] = ()
    rechecks: tuple[RecheckFact, ...] = ()
    unsealed_count: int = 0
    oldest_unsealed_at: datetime | None = None
    stops_epoch: int = 0
    stops_changed_at: datetime | None = None
    broker: BrokerFacts | None = None
    work: WorkFact = field(default_factory=WorkFact)
    stop_list_fault: str = ""
    trail_fault: str = ""
    audit_fault: str = ""
    held_since: datetime | None = None
