"""Which version answers a request: a frozen snapshot, leases by the local clock, the pick."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from serving.domain.contract import OutputContract
from serving.states import Arm


class Standing(StrEnum):
    """Whether a wanted version may start an answer now, or why not."""

    ROUTABLE = "routable"
    STOPPED = "stopped"
    NOT_PERMITTED = "not_permitted"
    LEASE_ENDED = "lease_ended"
    NOT_PROVEN = "not_proven"
    CONTROL_AWAY = "control_away"
    HELD = "held"


class RoutingUnit(StrEnum):
    """What the weight divides: single answers, or all answers of one opaque key."""

    ANSWER = "answer"
    UNIT = "unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A version (or, with ``version_pk`` 0, the base itself) that a deployment wants served.

    ``name`` is ``slug@<12 hex>``; ``node_name`` is what nodes call it, ``base`` for the base.
    """

    version_pk: int
    name: str
    digest: str
    base_model_pk: int

    @property
    def is_base(self) -> bool:
        """Whether no adapter is used."""
        return self.version_pk == 0

    @property
    def node_name(self) -> str:
        """The name under which nodes answer for it."""
        return "base" if self.is_base else self.name

    @property
    def key(self) -> str:
        """The key of its replicas in the snapshot."""
        return f"base:{self.base_model_pk}" if self.is_base else f"version:{self.version_pk}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The new side of a rollout in progress and its share of the traffic."""

    target: Target
    rollout_pk: int
    rollout_uuid: str
    stage: int
    weight_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRoute:
    """What a public name leads to."""

    pk: int
    public_name: str
    stable: Target | None
    canary: Canary | None
    rollout_pk: int = 0
    stage: int = 0
    contract: OutputContract | None = None
    routing_unit: RoutingUnit = RoutingUnit.ANSWER
    serves_without_control: bool = True
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A node that has proven a version under its current boot id."""

    node: str
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """A permission's lease as read; a greater ``sequence`` renews it for ``ttl_seconds``.

    ``age_seconds``: since its last renewal, by the clocks on the wall when it was read.
    """

    permission_pk: int
    sequence: int
    ttl_seconds: int
    age_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """What a live API token allows. ``scopes``: those that its account's roles allow too."""

    user_pk: int
    username: str
    person_pk: int | None
    name: str
    prefix: str
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSnapshot:
    """All that a gateway needs to know, as read from the database at one moment.

    ``deployments`` by public name, ``upstreams`` by ``Target.key``, ``leases`` by version pk,
    ``stops`` digests, ``tokens`` by the SHA-256 hex of their text. While ``is_held`` nothing is
    served, because the database was restored.
    """

    routing_epoch: int = -1
    stops_epoch: int = -1
    deployments: Mapping[str, DeploymentRoute] = field(default_factory=dict)
    upstreams: Mapping[str, tuple[Upstream, ...]] = field(default_factory=dict)
    leases: Mapping[int, Lease] = field(default_factory=dict)
    stops: frozenset[str] = frozenset()
    is_held: bool = False
    tokens: Mapping[str, TokenGrant] = field(default_factory=dict)


class LeaseClock:
    """When each lease ends on this process's monotonic clock.

    A lease runs from the moment when its newest sequence was first seen; a sequence that was seen
    before, or an older one, renews nothing. Only of a permission that was never seen before is the
    age believed: a process that starts anew must not make longer what nobody renews any more, and
    where the clocks on the wall differ it waits for one renewal.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Lease, float]] = {}

    def observe(self, leases: Mapping[int, Lease], *, at_seconds: float) -> None:
        """Take over ``leases``, read not before ``at_seconds``; others are forgotten."""
        seen: dict[int, tuple[Lease, float]] = {}
        for version_pk, lease in leases.items():
            known = self._seen.get(version_pk)
            if known is None or known[0].permission_pk != lease.permission_pk:
                left_seconds = lease.ttl_seconds - max(0.0, lease.age_seconds)
                known = (lease, at_seconds + left_seconds)
            elif known[0].sequence < lease.sequence:
                known = (lease, at_seconds + lease.ttl_seconds)
            seen[version_pk] = known
        self._seen = seen

    def is_live(self, version_pk: int, *, at_seconds: float) -> bool:
        """Whether the version's lease runs at ``at_seconds``."""
        known = self._seen.get(version_pk)
        return known is not None and at_seconds < known[1]


def standing(
    route: DeploymentRoute,
    target: Target,
    *,
    snapshot: RoutingSnapshot,
    leases: LeaseClock,
    at_seconds: float,
    is_control_away: bool,
) -> Standing:
    """Wanted ∩ permitted ∩ proven − stopped, for one wanted version at ``at_seconds``."""
    if target.digest in snapshot.stops:
        return Standing.STOPPED
    if snapshot.is_held:
        return Standing.HELD
    if not target.is_base:
        if target.version_pk not in snapshot.leases:
            return Standing.NOT_PERMITTED
        if not leases.is_live(target.version_pk, at_seconds=at_seconds):
            return Standing.LEASE_ENDED
    if is_control_away and not route.serves_without_control:
        return Standing.CONTROL_AWAY
    return Standing.ROUTABLE if snapshot.upstreams.get(target.key) else Standing.NOT_PROVEN


def uniform(key: bytes, rollout_uuid: str) -> float:
    """A number in [0, 1) that depends on ``key`` and on the rollout alone."""
    block = hashlib.sha256(key + b"\0" + rollout_uuid.encode()).digest()
    return int.from_bytes(block[:7], "big") / 2**56


def pick_arm(route: DeploymentRoute, key: bytes) -> Arm:
    """The side that ``key`` (an answer's nonce, or a unit's keyed hash) falls on.

    Where there is no stable side yet, a canary with any weight gets everything.
    """
    canary = route.canary
    if canary is None or canary.weight_percent == 0:
        return Arm.STABLE
    if route.stable is None:
        return Arm.CANARY
    share = uniform(key, canary.rollout_uuid)
    return Arm.CANARY if share * 100 < canary.weight_percent else Arm.STABLE
