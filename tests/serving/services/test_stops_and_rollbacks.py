"""Stops, ended permissions and people's rollbacks: the route first, then the rest."""

from typing import Any

import pytest

from compliance.models import AuditEvent
from compliance.services import permissions, stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from config.core.errors import Conflict, Forbidden
from registry.selectors import live_version
from serving.errors import AbortApplies, AbortTooLate, NothingToRollBackTo, RollbackInvalid
from serving.models import Deployment, Rollout
from serving.selectors.routing import build_snapshot
from serving.selectors.wanted import previous_revision
from serving.services import rollbacks, rollouts
from serving.states import RolloutState, Trigger
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories.serving import House, add_answers, report, state_of


@pytest.fixture
def sets(house: House) -> list:  # type: ignore[type-arg]
    return [house.evaluation_set(given=judge.items(120))]


def by(house: House) -> dict[str, Any]:
    return {"user": house.operator, "actor": actor_of(house.operator)}


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
        rollbacks.start(deployment=deployment, reason="bad night", **by(house))
    assert AuditEvent.objects.filter(action="rollback.refused").count() == 1


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


def test_before_promotion_an_abort_applies_and_after_it_a_rollback(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.settle(5)
    with pytest.raises(AbortApplies) as early:
        rollbacks.start(deployment=deployment, reason="I have seen enough", **by(house))
    assert f"/rollouts/{rollout.uuid}/abort" in early.value.fix
    rollouts.pause(rollout=rollout, reason="let me look", **by(house))
    assert build_snapshot().deployments[deployment.public_name].canary is not None
    rollouts.abort(rollout=rollout, reason="I have seen enough", **by(house))
    house.settle(8)
    assert (state_of(rollout), rollout.trigger) == (RolloutState.ABORTED, Trigger.MANUAL)

    again = promote(house, deployment, second)
    with pytest.raises(AbortTooLate) as late:
        rollouts.abort(rollout=again, reason="too late", **by(house))
    assert "/rollback" in late.value.fix
    made = rollbacks.start(deployment=deployment, reason="wrong answers", **by(house))
    assert (made.strategy, made.state) == ("rollback", "promoted")
    actions = list(AuditEvent.objects.values_list("action", flat=True))
    for action in ("rollback.refused", "rollback.started", "rollback.finished",
                   "rollout.abort_refused", "rollout.aborting", "rollout.aborted"):  # fmt: skip
        assert actions.count(action) == 1, action


def test_a_rollback_goes_to_a_named_version_and_only_from_the_one_that_is_meant(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first, second, third, never = (house.version(evaluated_on=sets) for _ in range(4))
    deployment = house.live(first)
    promote(house, deployment, second)
    promote(house, deployment, third)
    for wrong in (third, never):
        with pytest.raises(RollbackInvalid):
            rollbacks.start(deployment=deployment, reason="x", to=wrong, **by(house))
    made = rollbacks.start(
        deployment=deployment, reason="the one before was odd too", to=first, leaving=third,
        **by(house),
    )  # fmt: skip
    house.settle(6, until=lambda: state_of(made) != RolloutState.RUNNING)
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == first
    with pytest.raises(Conflict, match="does not serve"):
        rollbacks.start(deployment=deployment, reason="me too", leaving=third, **by(house))
    stop(house, second.digest)
    with pytest.raises(RollbackInvalid, match="stopped"):
        rollbacks.start(deployment=deployment, reason="x", to=second, **by(house))


def test_every_act_asks_for_the_role_in_the_service(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    reviewer = accounts.user(Role.REVIEWER)
    who = {"user": reviewer, "actor": actor_of(reviewer), "reason": "x"}
    for act in (rollouts.pause, rollouts.resume, rollouts.promote, rollouts.abort):
        with pytest.raises(Forbidden, match="operator"):
            act(rollout=rollout, **who)
    with pytest.raises(Forbidden):
        rollbacks.start(deployment=deployment, **who)
    with pytest.raises(Forbidden):
        rollouts.start(deployment=deployment, version=second, **who)
    refusals = AuditEvent.objects.filter(action__endswith="refused", actor_name=reviewer.username)
    assert refusals.count() == 6
    assert state_of(rollout) == RolloutState.RUNNING


def test_the_base_has_a_deployment_of_its_own(house: House) -> None:
    deployment = house.deployment(public_name="base", adapter=None)
    rollout = house.start(deployment, None, reason="for comparison by hand")
    house.settle(2)
    assert state_of(rollout) == RolloutState.PROMOTED
    route = build_snapshot().deployments["base"]
    assert route.stable is not None and route.stable.is_base
    assert build_snapshot().upstreams[route.stable.key]
