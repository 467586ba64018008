"""What should be on a node, compared with what is: a decision, nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from serving.states import ReplicaState


class Reason(IntEnum):
    """Why a version is wished for; a lower one gets its slot first."""

    STABLE = 1
    CANARY = 2
    EVALUATION = 3
    PREVIOUS = 4


class Do(StrEnum):
    """One act on a version's replica."""

    WANT = "want"
    NUDGE_LOAD = "nudge_load"
    RETRY = "retry"
    RECLAIM = "reclaim"
    KEEP = "keep"
    DRAIN = "drain"
    UNLOAD = "unload"
    NUDGE_UNLOAD = "nudge_unload"


@dataclass(frozen=True, slots=True)
class Wish:
    """A version that has a reason to be on the node."""

    version_pk: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """A replica row, and what its node last said. Ages are in seconds; None: never.

    ``is_proven``: ready under the node's present boot id. ``is_listed``: the node says that the
    name takes a slot. ``is_stopped``: its digest is withdrawn.
    """

    version_pk: int
    state: ReplicaState
    is_proven: bool = False
    is_listed: bool = False
    is_stopped: bool = False
    failures_count: int = 0
    age_seconds: float = 0.0
    nudged_age_seconds: float | None = None
    unwanted_age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Do this with that version's replica."""

    do: Do
    version_pk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. ``drain`` is longer than a gateway may go on routing by an old snapshot."""

    drain: float = 5.0
    load_take_over: float = 10.0
    nudge_again: float = 10.0
    retry_first: float = 2.0
    retry_most: float = 300.0


DEFAULT_TIMING = Timing()
_OCCUPYING = (ReplicaState.LOADING, ReplicaState.READY, ReplicaState.UNLOADING)


def back_off_seconds(failures_count: int, timing: Timing = DEFAULT_TIMING) -> float:
    """How long a replica waits after its n-th failure in a row."""
    return min(timing.retry_most, timing.retry_first * 2.0 ** min(failures_count - 1, 12))


def admitted(wishes: Iterable[Wish], *, slots: int) -> list[int]:
    """The versions that get a slot, the most needed first.

    What is only kept for a fast rollback never takes the last free slot: that one belongs to
    rollouts and evaluations.
    """
    kept: list[int] = []
    for wish in sorted(wishes, key=lambda wish: (wish.reason, wish.version_pk)):
        limit = slots - 1 if wish.reason is Reason.PREVIOUS else slots
        if wish.version_pk not in kept and len(kept) < limit:
            kept.append(wish.version_pk)
    return kept


def decide(
    *,
    slots: int,
    wishes: Sequence[Wish],
    replicas: Sequence[ReplicaFacts],
    timing: Timing = DEFAULT_TIMING,
) -> list[Decision]:
    """What to do on one node now; called again and again, it leads to what is wished.

    A version loses its slot only ``drain`` seconds after its last reason ended, so that no gateway
    routes to it any more; a stopped one at once. No more loads are asked for than slots are free.
    """
    kept = admitted(wishes, slots=slots)
    by_version = {replica.version_pk: replica for replica in replicas}
    decisions = [
        Decision(do, replica.version_pk)
        for replica in replicas
        if replica.version_pk not in kept and (do := _leave(replica, timing)) is not None
    ]
    taken = {r.version_pk for r in replicas if r.state in _OCCUPYING or r.is_listed}
    free = slots - len(taken)
    for version_pk in kept:
        found = by_version.get(version_pk)
        if found is not None and found.unwanted_age_seconds is not None:
            decisions.append(Decision(Do.KEEP, version_pk))
        is_asked_for = found is not None and found.state is ReplicaState.WANTED
        if version_pk not in taken:
            if free <= 0:
                continue
            free -= 1
        if found is None or found.state is ReplicaState.UNLOADED:
            decisions.append(Decision(Do.WANT, version_pk))
        elif is_asked_for and _is_due(found, timing):
            decisions.append(Decision(Do.NUDGE_LOAD, version_pk))
        elif (do := _stay(found, timing)) is not None:
            decisions.append(Decision(do, version_pk))
    return decisions


def _is_due(replica: ReplicaFacts, timing: Timing) -> bool:
    nudged = replica.nudged_age_seconds
    return nudged is None or nudged >= timing.nudge_again


def _stay(replica: ReplicaFacts, timing: Timing) -> Do | None:
    state = replica.state
    if state is ReplicaState.LOADING and replica.age_seconds >= timing.load_take_over:
        return Do.RECLAIM
    if state is ReplicaState.READY and not replica.is_proven:
        return Do.RECLAIM
    pause = back_off_seconds(max(1, replica.failures_count), timing)
    if state is ReplicaState.FAILED and replica.age_seconds >= pause:
        return Do.RETRY
    if state is ReplicaState.UNLOADING and _is_due(replica, timing):
        return Do.NUDGE_UNLOAD
    return None


def _leave(replica: ReplicaFacts, timing: Timing) -> Do | None:
    state = replica.state
    if state is ReplicaState.UNLOADED:
        is_zombie = replica.is_listed and replica.age_seconds >= timing.nudge_again
        return Do.NUDGE_UNLOAD if is_zombie and _is_due(replica, timing) else None
    if state is ReplicaState.UNLOADING:
        return Do.NUDGE_UNLOAD if _is_due(replica, timing) else None
    if replica.is_stopped:
        return Do.UNLOAD
    if replica.unwanted_age_seconds is None:
        return Do.DRAIN
    return Do.UNLOAD if replica.unwanted_age_seconds >= timing.drain else None


def node_for_evaluation(
    version_pk: int, nodes: Sequence[tuple[int, int, frozenset[int]]]
) -> int | None:
    """The node that shall run an evaluation: one that holds the version, else the emptiest.

    ``nodes``: (node pk, free slots, version pks that it holds or loads), usable ones only.
    """
    holders = [pk for pk, _, held in nodes if version_pk in held]
    if holders:
        return min(holders)
    return min(nodes, key=lambda node: (-node[1], node[0]))[0] if nodes else None
