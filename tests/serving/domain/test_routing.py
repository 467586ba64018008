"""Wanted ∩ permitted ∩ proven − stopped, leases by the local clock, and the pick by weight."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.domain.routing import (
    Canary,
    DeploymentRoute,
    Lease,
    LeaseClock,
    RoutingSnapshot,
    Standing,
    Target,
    Upstream,
    pick_arm,
    standing,
    uniform,
)
from serving.states import Arm

STABLE = Target(version_pk=1, name="a@111111111111", digest="1" * 64, base_model_pk=9)
NEW = Target(version_pk=2, name="a@222222222222", digest="2" * 64, base_model_pk=9)
BASE = Target(version_pk=0, name="base@999999999999", digest="9" * 64, base_model_pk=9)
NODE = Upstream(node="n", url="http://n", secret="s")
CANARY = Canary(target=NEW, rollout_pk=5, rollout_uuid="u", stage=1, weight_percent=20)
ROUTE = DeploymentRoute(pk=1, public_name="triage", stable=STABLE, canary=CANARY)
SNAPSHOT = RoutingSnapshot(
    upstreams={"version:1": (NODE,), "base:9": (NODE,)},
    leases={1: Lease(7, 1, 60), 2: Lease(8, 1, 60)},
)


def stand(
    target: Target = STABLE,
    *,
    snapshot: RoutingSnapshot = SNAPSHOT,
    route: DeploymentRoute = ROUTE,
    at_seconds: float = 100.0,
    is_control_away: bool = False,
) -> Standing:
    leases = LeaseClock()
    leases.observe(snapshot.leases, at_seconds=50.0)
    return standing(
        route,
        target,
        snapshot=snapshot,
        leases=leases,
        at_seconds=at_seconds,
        is_control_away=is_control_away,
    )


def test_routable_is_wanted_permitted_proven_and_not_stopped() -> None:
    assert stand() is Standing.ROUTABLE
    assert stand(NEW) is Standing.NOT_PROVEN
    assert stand(snapshot=replace(SNAPSHOT, leases={})) is Standing.NOT_PERMITTED
    assert stand(at_seconds=110.0) is Standing.LEASE_ENDED
    assert stand(at_seconds=109.9) is Standing.ROUTABLE
    assert stand(snapshot=replace(SNAPSHOT, stops=frozenset({STABLE.digest}))) is Standing.STOPPED


def test_the_base_needs_a_node_and_no_lease() -> None:
    assert stand(BASE, at_seconds=1e9) is Standing.ROUTABLE
    assert stand(BASE, snapshot=replace(SNAPSHOT, upstreams={})) is Standing.NOT_PROVEN
    assert (
        stand(BASE, snapshot=replace(SNAPSHOT, stops=frozenset({BASE.digest}))) is Standing.STOPPED
    )


def test_a_policy_may_refuse_while_the_control_plane_is_away() -> None:
    assert stand(is_control_away=True) is Standing.ROUTABLE
    careful = replace(ROUTE, serves_without_control=False)
    assert stand(route=careful, is_control_away=True) is Standing.CONTROL_AWAY


def test_only_a_newer_sequence_renews_a_lease() -> None:
    leases = LeaseClock()
    leases.observe({1: Lease(7, 5, 60)}, at_seconds=0.0)
    leases.observe({1: Lease(7, 5, 60)}, at_seconds=59.0)
    leases.observe({1: Lease(7, 4, 60)}, at_seconds=59.0)
    assert leases.is_live(1, at_seconds=59.9)
    assert not leases.is_live(1, at_seconds=60.0)
    leases.observe({1: Lease(7, 6, 60)}, at_seconds=59.0)
    assert leases.is_live(1, at_seconds=118.9)
    leases.observe({1: Lease(8, 1, 60)}, at_seconds=100.0)  # a new permission starts anew
    assert leases.is_live(1, at_seconds=159.9)
    leases.observe({}, at_seconds=101.0)
    assert not leases.is_live(1, at_seconds=101.0)


def test_a_gateway_that_starts_anew_makes_no_lease_longer() -> None:
    leases = LeaseClock()
    leases.observe({1: Lease(7, 5, 60, age_seconds=45.0)}, at_seconds=0.0)
    assert leases.is_live(1, at_seconds=14.9)
    assert not leases.is_live(1, at_seconds=15.0)
    # Once it is known the clocks on the wall count no more: this one runs an hour ahead.
    leases.observe({1: Lease(7, 6, 60, age_seconds=3600.0)}, at_seconds=20.0)
    assert leases.is_live(1, at_seconds=79.9)
    ahead = LeaseClock()
    ahead.observe({1: Lease(7, 5, 60, age_seconds=-3600.0)}, at_seconds=0.0)
    assert not ahead.is_live(1, at_seconds=60.0)


def test_nothing_is_routable_while_serving_is_held() -> None:
    assert stand() is Standing.ROUTABLE
    held = replace(SNAPSHOT, is_held=True)
    assert stand(snapshot=held) is Standing.HELD
    stopped = replace(held, stops=frozenset({STABLE.digest}))
    assert stand(snapshot=stopped) is Standing.STOPPED


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1000)), max_size=30))
def test_a_lease_never_outlives_the_read_that_renewed_it(reads: list[tuple[int, float]]) -> None:
    leases, moment = LeaseClock(), 0.0
    newest, renewed_at = 0, 0.0
    for sequence, wait in reads:
        moment += wait
        if sequence > newest:
            newest, renewed_at = sequence, moment
        leases.observe({1: Lease(7, sequence, 60)}, at_seconds=moment)
        assert leases.is_live(1, at_seconds=moment) == (moment < renewed_at + 60)


@pytest.mark.parametrize("weight", [1, 20, 50, 100])
def test_the_share_of_the_canary_is_its_weight(weight: int) -> None:
    route = replace(ROUTE, canary=replace(CANARY, weight_percent=weight))
    keys = [index.to_bytes(9, "big") for index in range(20_000)]
    share = sum(pick_arm(route, key) is Arm.CANARY for key in keys) / len(keys)
    # Four standard deviations of a binomial share.
    assert abs(share - weight / 100) <= 4 * (weight / 100 * (1 - weight / 100) / len(keys)) ** 0.5


def test_no_weight_no_canary() -> None:
    route = replace(ROUTE, canary=replace(CANARY, weight_percent=0))
    assert {pick_arm(route, bytes([n])) for n in range(200)} == {Arm.STABLE}
    assert pick_arm(replace(ROUTE, canary=None), b"k") is Arm.STABLE


def test_without_a_stable_side_the_canary_gets_all() -> None:
    route = replace(ROUTE, stable=None)
    assert {pick_arm(route, bytes([n])) for n in range(200)} == {Arm.CANARY}


@given(st.binary(min_size=1, max_size=40))
def test_a_unit_keeps_its_side_when_the_weight_grows(key: bytes) -> None:
    sides = [
        pick_arm(replace(ROUTE, canary=replace(CANARY, weight_percent=weight)), key)
        for weight in range(0, 101, 5)
    ]
    assert sides == sorted(sides, key=lambda arm: arm is Arm.CANARY)
    assert 0 <= uniform(key, "u") < 1


def test_units_are_dealt_anew_in_each_rollout() -> None:
    keys = [index.to_bytes(4, "big") for index in range(2000)]
    both = sum(uniform(key, "u") < 0.5 and uniform(key, "w") < 0.5 for key in keys)
    assert 400 < both < 600
