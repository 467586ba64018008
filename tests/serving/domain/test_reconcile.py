"""The reconcile decision, step by step and by properties over random worlds."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.domain.reconcile import (
    Decision,
    Do,
    Reason,
    ReplicaFacts,
    Timing,
    Wish,
    admitted,
    back_off_seconds,
    decide,
    node_for_evaluation,
)
from serving.states import REPLICA_MOVES, ReplicaState

TIMING = Timing()


def facts(version_pk: int, state: ReplicaState, **values: object) -> ReplicaFacts:
    return ReplicaFacts(version_pk=version_pk, state=state, **values)  # type: ignore[arg-type]


def test_what_is_wished_and_absent_is_wanted_then_nudged() -> None:
    wishes = [Wish(1, Reason.STABLE)]
    assert decide(slots=2, wishes=wishes, replicas=[]) == [Decision(Do.WANT, 1)]
    asked = facts(1, ReplicaState.WANTED, nudged_age_seconds=1.0)
    assert decide(slots=2, wishes=wishes, replicas=[asked]) == []
    late = replace(asked, nudged_age_seconds=TIMING.nudge_again)
    assert decide(slots=2, wishes=wishes, replicas=[late]) == [Decision(Do.NUDGE_LOAD, 1)]


def test_a_version_leaves_only_after_the_drain_and_a_stopped_one_at_once() -> None:
    ready = facts(1, ReplicaState.READY, is_proven=True, is_listed=True)
    assert decide(slots=2, wishes=[], replicas=[ready]) == [Decision(Do.DRAIN, 1)]
    draining = replace(ready, unwanted_age_seconds=TIMING.drain - 0.1)
    assert decide(slots=2, wishes=[], replicas=[draining]) == []
    drained = replace(ready, unwanted_age_seconds=TIMING.drain)
    assert decide(slots=2, wishes=[], replicas=[drained]) == [Decision(Do.UNLOAD, 1)]
    stopped = replace(ready, is_stopped=True)
    assert decide(slots=2, wishes=[], replicas=[stopped]) == [Decision(Do.UNLOAD, 1)]


def test_wished_again_while_draining_is_kept() -> None:
    draining = facts(1, ReplicaState.READY, is_proven=True, unwanted_age_seconds=1.0)
    wishes = [Wish(1, Reason.STABLE)]
    assert decide(slots=2, wishes=wishes, replicas=[draining]) == [Decision(Do.KEEP, 1)]


def test_the_last_free_slot_belongs_to_rollouts() -> None:
    stable, previous = Wish(1, Reason.STABLE), Wish(2, Reason.PREVIOUS)
    assert admitted([stable, previous], slots=3) == [1, 2]
    assert admitted([stable, previous], slots=2) == [1]
    canary = Wish(3, Reason.CANARY)
    assert admitted([stable, previous, canary], slots=3) == [1, 3]


def test_a_load_waits_for_the_slot_of_what_leaves() -> None:
    leaving = facts(2, ReplicaState.UNLOADING, is_listed=True, nudged_age_seconds=0.0)
    stable = facts(1, ReplicaState.READY, is_proven=True, is_listed=True)
    wishes = [Wish(1, Reason.STABLE), Wish(3, Reason.CANARY)]
    assert decide(slots=2, wishes=wishes, replicas=[stable, leaving]) == []
    gone = facts(2, ReplicaState.UNLOADED)
    assert decide(slots=2, wishes=wishes, replicas=[stable, gone]) == [Decision(Do.WANT, 3)]


def test_a_failed_load_is_tried_again_after_growing_pauses_M63() -> None:
    assert back_off_seconds(1) < back_off_seconds(2) < back_off_seconds(5)
    assert back_off_seconds(100) == TIMING.retry_most
    wishes = [Wish(1, Reason.CANARY)]
    failed = facts(1, ReplicaState.FAILED, failures_count=3, age_seconds=back_off_seconds(3))
    assert decide(slots=2, wishes=wishes, replicas=[failed]) == [Decision(Do.RETRY, 1)]
    early = replace(failed, age_seconds=back_off_seconds(3) - 0.1)
    assert decide(slots=2, wishes=wishes, replicas=[early]) == []


def test_a_dead_claim_and_an_old_proof_are_taken_back() -> None:
    wishes = [Wish(1, Reason.STABLE)]
    dead = facts(1, ReplicaState.LOADING, age_seconds=TIMING.load_take_over)
    assert decide(slots=2, wishes=wishes, replicas=[dead]) == [Decision(Do.RECLAIM, 1)]
    old = facts(1, ReplicaState.READY, is_proven=False)
    assert decide(slots=2, wishes=wishes, replicas=[old]) == [Decision(Do.RECLAIM, 1)]


def test_a_zombie_is_unloaded() -> None:
    zombie = facts(1, ReplicaState.UNLOADED, is_listed=True, age_seconds=60.0)
    assert decide(slots=2, wishes=[], replicas=[zombie]) == [Decision(Do.NUDGE_UNLOAD, 1)]


def test_an_evaluation_goes_where_the_version_is_else_where_room_is() -> None:
    assert node_for_evaluation(7, [(1, 5, frozenset()), (2, 0, frozenset({7}))]) == 2
    assert node_for_evaluation(7, [(1, 1, frozenset()), (2, 3, frozenset())]) == 2
    assert node_for_evaluation(7, []) is None


ages = st.one_of(st.none(), st.floats(0, 400))
replicas_of = st.builds(
    facts,
    st.integers(1, 8),
    st.sampled_from(list(ReplicaState)),
    is_proven=st.booleans(),
    is_listed=st.booleans(),
    is_stopped=st.booleans(),
    failures_count=st.integers(0, 20),
    age_seconds=st.floats(0, 400),
    nudged_age_seconds=ages,
    unwanted_age_seconds=ages,
)
worlds = st.tuples(
    st.integers(2, 6),
    st.lists(st.builds(Wish, st.integers(1, 8), st.sampled_from(list(Reason))), max_size=10),
    st.lists(replicas_of, max_size=8, unique_by=lambda replica: replica.version_pk),
)
_LEADS_TO = {
    Do.WANT: ReplicaState.WANTED,
    Do.RETRY: ReplicaState.WANTED,
    Do.RECLAIM: ReplicaState.WANTED,
    Do.UNLOAD: ReplicaState.UNLOADING,
}


@settings(max_examples=400, deadline=None)
@given(worlds)
def test_no_decision_takes_a_slot_too_many_or_a_live_version_away(world: tuple) -> None:  # type: ignore[type-arg]
    slots, wishes, replicas = world
    decisions = decide(slots=slots, wishes=wishes, replicas=replicas)
    by_version = {replica.version_pk: replica for replica in replicas}
    kept = admitted(wishes, slots=slots)
    taken = {
        r.version_pk
        for r in replicas
        if r.state in {ReplicaState.LOADING, ReplicaState.READY, ReplicaState.UNLOADING}
        or r.is_listed
    }
    asked = {d.version_pk for d in decisions if d.do in {Do.WANT, Do.NUDGE_LOAD, Do.RETRY}} - taken
    assert len(asked) <= max(0, slots - len(taken)), "more loads than free slots"
    for decision in decisions:
        found = by_version.get(decision.version_pk)
        if decision.do in {Do.UNLOAD, Do.DRAIN}:
            assert decision.version_pk not in kept, "a version with a slot was taken away"
        if decision.do is Do.UNLOAD:
            assert found is not None
            waited = found.unwanted_age_seconds
            assert found.is_stopped or (waited is not None and waited >= TIMING.drain)
        if decision.do in _LEADS_TO and found is not None:
            assert _LEADS_TO[decision.do] in REPLICA_MOVES[found.state], (found.state, decision)
        if decision.do is Do.WANT:
            assert found is None or found.state is ReplicaState.UNLOADED
    assert len({(d.do, d.version_pk) for d in decisions}) == len(decisions)


def after(world: tuple, decisions: list[Decision]) -> list[ReplicaFacts]:  # type: ignore[type-arg]
    """The world when everything asked for has been done and a minute has passed."""
    _, _, replicas = world
    rows = {replica.version_pk: replica for replica in replicas}
    for decision in decisions:
        row = rows.get(decision.version_pk) or facts(decision.version_pk, ReplicaState.WANTED)
        if decision.do in _LEADS_TO:
            row = replace(row, state=_LEADS_TO[decision.do], nudged_age_seconds=None)
        if decision.do in {Do.WANT, Do.RETRY, Do.RECLAIM, Do.KEEP}:
            row = replace(row, unwanted_age_seconds=None)
        if decision.do is Do.DRAIN:
            row = replace(row, unwanted_age_seconds=0.0)
        if decision.do is Do.NUDGE_LOAD:
            row = replace(row, state=ReplicaState.READY, is_proven=True, is_listed=True)
        if decision.do in {Do.NUDGE_UNLOAD, Do.UNLOAD}:
            row = replace(row, state=ReplicaState.UNLOADED, is_listed=False)
        rows[decision.version_pk] = row
    return [
        replace(
            row,
            age_seconds=row.age_seconds + 600,
            nudged_age_seconds=None,
            unwanted_age_seconds=(
                None if row.unwanted_age_seconds is None else row.unwanted_age_seconds + 600
            ),
        )
        for row in rows.values()
    ]


@settings(max_examples=200, deadline=None)
@given(worlds)
def test_repeating_the_decision_leads_to_what_is_wished_and_then_to_nothing(world: tuple) -> None:  # type: ignore[type-arg]
    slots, wishes, replicas = world
    quiet_rounds = 0
    for _ in range(30):
        decisions = decide(slots=slots, wishes=wishes, replicas=replicas)
        quiet_rounds = 0 if decisions else quiet_rounds + 1
        if quiet_rounds == 2:  # in the first, something may still have waited for its time
            break
        replicas = after((slots, wishes, replicas), decisions)
    else:
        pytest.fail(f"it never comes to rest: {decisions}")
    there = {
        row.version_pk for row in replicas if row.state is ReplicaState.READY and row.is_proven
    }
    assert there == set(admitted(wishes, slots=slots))
