"""Stops, ended permissions and people's rollbacks: the route first, then the rest."""

import pytest

from compliance.models import AuditEvent
from compliance.services import permissions, stops
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from registry.selectors import live_version
from serving.errors import NothingToRollBackTo
from serving.models import Deployment, Rollout
from serving.selectors.routing import build_snapshot
from serving.selectors.wanted import previous_revision
from serving.services import rollbacks, rollouts
from serving.states import RolloutState, Trigger
from tests.factories import compliance as judge
from tests.factories.serving import House, add_answers, report, state_of


@pytest.fixture
def sets(house: House) -> list:  # type: ignore[type-arg]
    return [house.evaluation_set(given=judge.items(120))]


def stop(house: House, digest: str) -> None:
    stops.issue(digest=digest, reason="wrong", user=house.operator, actor=actor_of(house.operator))


def promote(house: House, deployment: Deployment, candidate) -> Rollout:  # type: ignore[no-untyped-def]
    rollout = house.start(deployment, candidate)
    house.settle(5)
    add_answers(rollout, canary=80)
    report(add_answers(rollout, stable=320)[:60])
    house.settle(3)
    add_answers(rollout, canary=25, stable=25)
    house.settle(3)
    assert state_of(rollout) == RolloutState.PROMOTED, (rollout.state, rollout.reason)
    deployment.refresh_from_db()
    return rollout


def test_a_stopped_canary_rolls_back_and_leaves_the_node(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.settle(5)
    stop(house, second.digest)
    house.node.tend()
    assert house.node.loaded() == {first.runtime_name}
    answer = house.node.ask(second.runtime_name)
    assert answer.status_code == 403 and answer.json()["code"] == "stopped"
    house.settle(8)
    assert state_of(rollout) == RolloutState.ROLLED_BACK
    assert rollout.trigger == Trigger.STOPPED
    assert house.node.loaded() == {first.runtime_name}


def test_a_stopped_stable_gives_way_to_the_previous_version_M76_M82(
    house: House, sets: list
) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    promote(house, deployment, second)
    stop(house, second.digest)
    assert rollbacks.obey_stops() == 1
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == first
    assert live_version(house.adapter) == first
    rollout = Rollout.objects.filter(deployment=deployment).order_by("-pk").first()
    assert rollout is not None
    assert (rollout.strategy, rollout.state, rollout.trigger) == (
        "rollback", "promoted", "stopped",
    )  # fmt: skip
    assert rollbacks.obey_stops() == 0
    assert previous_revision(deployment) is None, "what was left by a rollback is not gone back to"


def test_a_stopped_stable_stays_stopped_where_the_policy_names_no_fallback(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first, policy={"fallbacks": []})
    promote(house, deployment, second)
    stop(house, second.digest)
    assert rollbacks.obey_stops() == 0
    snapshot = build_snapshot()
    assert snapshot.deployments[deployment.public_name].stable is not None
    assert second.digest in snapshot.stops


def test_without_an_earlier_version_there_is_nothing_to_go_back_to(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first = house.version(evaluated_on=sets)
    deployment = house.live(first)
    stop(house, first.digest)
    assert rollbacks.obey_stops() == 0
    with pytest.raises(NothingToRollBackTo):
        rollbacks.start(deployment=deployment, reason="bad night", actor=SYSTEM)
    assert AuditEvent.objects.filter(action="rollout.refused").exists()


def test_an_ended_permission_takes_the_canary_back(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.settle(5)
    from compliance.models import Permission

    permission = Permission.objects.get(version=second, purpose="serve")
    permissions.end(permission=permission, reason="the label changed", actor=SYSTEM)
    house.settle(8)
    assert state_of(rollout) == RolloutState.ROLLED_BACK
    assert rollout.trigger == Trigger.VALIDATION_FAILED


def test_a_person_takes_a_promoted_version_back_at_once_M76_M83_M162(
    house: House, sets: list
) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    promote(house, deployment, second)
    made = rollbacks.start(
        deployment=deployment,
        reason="complaints by phone",
        user=house.operator,
        actor=actor_of(house.operator),
    )
    assert made.state == RolloutState.PROMOTED, "the former version was kept loaded"
    route = build_snapshot().deployments[deployment.public_name]
    assert route.stable is not None and route.stable.digest == first.digest


def test_a_person_takes_a_rollout_back_while_it_runs(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.settle(5)
    by = {"user": house.operator, "actor": actor_of(house.operator)}
    rollouts.pause(rollout=rollout, reason="let me look", **by)  # type: ignore[arg-type]
    assert build_snapshot().deployments[deployment.public_name].canary is not None
    made = rollbacks.start(deployment=deployment, reason="I have seen enough", **by)  # type: ignore[arg-type]
    assert made.pk == rollout.pk
    assert (made.state, made.trigger) == (RolloutState.ROLLED_BACK, Trigger.MANUAL)


def test_the_base_has_a_deployment_of_its_own(house: House) -> None:
    deployment = house.deployment(public_name="base", adapter=None)
    rollout = house.start(deployment, None, reason="for comparison by hand")
    house.settle(2)
    assert state_of(rollout) == RolloutState.PROMOTED
    route = build_snapshot().deployments["base"]
    assert route.stable is not None and route.stable.is_base
    assert build_snapshot().upstreams[route.stable.key]
