"""Undecided, troubled and held rollouts: what pauses them, and what a person may do then."""

from datetime import timedelta
from typing import Any

import pytest

from compliance.models import AuditEvent, Stop
from config.core import clock
from serving.errors import PromotionRefused
from serving.models import Deployment, Node, Replica, Rollout
from serving.selectors.routing import build_snapshot
from serving.services import rollouts
from serving.states import PauseKind, ReplicaState, RolloutState, StepState
from tests.factories import compliance as judge
from tests.factories.serving import add_answers, state_of
from tests.factories.trials import Desk, advanced

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return Desk()


def on_trial(desk: Desk, **policy: object) -> tuple[Deployment, Rollout]:
    deployment = desk.live(desk.version(), **policy)
    rollout = desk.start(deployment, desk.version())
    assert rollout.weight_percent == 20
    return deployment, rollout


def undecided(desk: Desk, **policy: object) -> tuple[Deployment, Rollout]:
    deployment, rollout = on_trial(desk, max_requests=40, **policy)
    add_answers(rollout, canary=8, stable=32)
    assert advanced(rollout).state == RolloutState.PAUSED
    assert rollout.paused_kind == PauseKind.INCONCLUSIVE
    assert rollout.paused_reason.startswith("Undecided on failures and reports after 40 requests")
    return deployment, rollout


def test_resuming_an_undecided_one_grants_as_much_again_from_now_on(desk: Desk) -> None:
    _, rollout = undecided(desk)
    add_answers(rollout, canary=8, stable=40)  # the weight stays while it is paused
    with clock.frozen_at(clock.now() + timedelta(days=9)):
        rollouts.resume(rollout=rollout, **desk.by())
        assert advanced(rollout).state == RolloutState.RUNNING
        assert (rollout.paused_kind, rollout.paused_at) == (PauseKind.NONE, None)
        add_answers(rollout, canary=8, stable=40)
        assert advanced(rollout).state == RolloutState.PAUSED
    limits = [step.params["max_requests"] for step in rollout.steps.filter(kind="analyse")]
    assert limits == [128, 128], "the stages after it are not over before they begin"


def test_days_are_not_lost_by_a_person_s_pause(desk: Desk) -> None:
    _, rollout = on_trial(desk)
    rollouts.pause(rollout=rollout, **desk.by())
    rollout.refresh_from_db()
    assert rollout.paused_kind == PauseKind.PERSON
    with clock.frozen_at(clock.now() + timedelta(days=30)):
        rollouts.resume(rollout=rollout, **desk.by())
        assert advanced(rollout).state == RolloutState.RUNNING
    with clock.frozen_at(clock.now() + timedelta(days=38)):
        assert advanced(rollout).state == RolloutState.PAUSED
        assert rollout.paused_kind == PauseKind.INCONCLUSIVE


def test_a_person_promotes_what_is_undecided(desk: Desk) -> None:
    deployment, rollout = undecided(desk)
    made = rollouts.promote(rollout=rollout, **desk.by())
    assert made.state == RolloutState.PROMOTED
    deployment.refresh_from_db()
    assert deployment.stable_revision == rollout.to_revision
    skipped = rollout.steps.filter(kind__in=["set_weight", "analyse"], state=StepState.SKIPPED)
    assert skipped.count() == 3
    events = AuditEvent.objects.filter(object_id=str(rollout.uuid))
    assert events.filter(action="rollout.promoted").count() == 1
    event = events.get(action="rollout.promoting")
    assert event.actor_name == desk.operator.username and "because" in event.body


@pytest.mark.parametrize("policy", [{"promote_undecided": False}, {}])
def test_a_person_promotes_nothing_else(desk: Desk, policy: dict[str, Any]) -> None:
    if policy:
        _, rollout = undecided(desk, **policy)
    else:
        _, rollout = on_trial(desk)
        rollouts.pause(rollout=rollout, **desk.by())
    with pytest.raises(PromotionRefused):
        rollouts.promote(rollout=rollout, **desk.by())
    assert state_of(rollout) == RolloutState.PAUSED
    assert AuditEvent.objects.filter(action="rollout.promotion_refused").count() == 1


def test_a_stopped_version_is_not_promoted_by_a_person(desk: Desk) -> None:
    deployment, rollout = undecided(desk)
    Stop.objects.create(digest=rollout.to_revision.digest, reason="test")
    made = rollouts.promote(rollout=rollout, **desk.by())
    assert (made.state, made.trigger) == (RolloutState.ROLLED_BACK, "stopped")
    route = build_snapshot().deployments[deployment.public_name]
    assert route.stable is not None and route.stable.digest != rollout.to_revision.digest


def test_nodes_that_are_away_pause_it_and_nothing_is_decided(desk: Desk) -> None:
    _, rollout = on_trial(desk)
    add_answers(rollout, canary=90)
    seen_at = desk.nodes[0].last_seen_at
    Node.objects.update(last_seen_at=clock.now() - timedelta(minutes=5))
    assert advanced(rollout).state == RolloutState.RUNNING
    with clock.frozen_at(clock.now() + timedelta(minutes=3)):
        assert advanced(rollout).state == RolloutState.PAUSED
        assert rollout.paused_kind == PauseKind.TROUBLE
        assert "look at the nodes" in rollout.paused_reason
        Node.objects.update(last_seen_at=seen_at)
        rollouts.resume(rollout=rollout, **desk.by())
        assert advanced(rollout).state == RolloutState.RUNNING
    assert not rollout.steps.filter(params__has_key="trouble_since").exists()


def test_a_load_that_never_comes_pauses(desk: Desk) -> None:
    deployment, second = desk.live(desk.version()), desk.version()
    Replica.objects.filter(version=second).update(state=ReplicaState.LOADING)
    rollout = desk.start(deployment, second)
    assert rollout.state == RolloutState.RUNNING
    with clock.frozen_at(clock.now() + timedelta(minutes=20)):
        assert advanced(rollout).state == RolloutState.PAUSED
    assert rollout.paused_kind == PauseKind.TROUBLE
    assert desk.nodes[0].name in rollout.paused_reason


def test_a_first_revision_that_is_not_good_enough_answers_nobody(desk: Desk) -> None:
    bad = desk.version(
        how=lambda text: "soon" if not text.endswith("urgent") else judge.right(text)
    )
    deployment = desk.deployment(first_accuracy_low=0.8)
    rollout = desk.start(deployment, bad)
    assert (rollout.state, rollout.trigger) == (RolloutState.ROLLED_BACK, "validation_failed")
    assert "80% is asked for" in rollout.reason
    deployment.refresh_from_db()
    assert deployment.stable_revision is None
    route = build_snapshot().deployments[deployment.public_name]
    assert route.stable is None and route.canary is None
    assert desk.start(deployment, desk.version()).state == RolloutState.PROMOTED
