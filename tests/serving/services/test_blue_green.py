"""Blue-green: everything at once to a version loaded beside the old one, watched, taken back."""

from datetime import timedelta

import pytest

from compliance.models import AuditEvent
from config.core import clock
from serving.domain.reconcile import Reason, Wish
from serving.domain.routing import pick_arm
from serving.models import Deployment, Replica, Rollout
from serving.selectors.routing import build_snapshot
from serving.selectors.wanted import wishes_for
from serving.services import rollouts
from serving.states import Arm, FailureKind, PauseKind, ReplicaState, RolloutState, Trigger
from tests.factories.serving import add_answers, report, state_of
from tests.factories.trials import Desk, advanced

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Desk:
    return Desk()


def switched(desk: Desk, **policy: object) -> tuple[Deployment, Rollout]:
    """A rollout whose candidate answers everyone while it is watched."""
    deployment = desk.live(desk.version(), **policy)
    rollout = desk.start(deployment, desk.version(), strategy="blue_green")
    assert rollout.weight_percent == 100, (rollout.state, rollout.reason, rollout.paused_reason)
    return deployment, rollout


def test_a_clean_watch_is_promoted_when_its_window_ends_M22(desk: Desk) -> None:
    deployment, rollout = switched(desk, watch_minutes=5)
    events = AuditEvent.objects.filter(action="rollout.weight_set", object_id=str(rollout.uuid))
    assert events.count() == 1, "the switch is one write"
    route = build_snapshot().deployments[deployment.public_name]
    assert route.canary is not None and route.canary.weight_percent == 100
    assert pick_arm(route, b"any") is Arm.CANARY
    add_answers(rollout, canary=90)
    advanced(rollout)
    assert rollout.state == RolloutState.RUNNING, "good enough, but the window is not over"
    assert "of 5 minutes" in rollout.steps.get(kind="analyse").detail
    old = deployment.stable_revision
    assert old is not None
    wishes = wishes_for(desk.base)[desk.nodes[0].pk]
    assert Wish(old.version_id, Reason.STABLE) in wishes, "the old one stays warm"
    with clock.frozen_at(clock.now() + timedelta(minutes=6)):
        assert advanced(rollout).state == RolloutState.PROMOTED
    deployment.refresh_from_db()
    assert deployment.stable_revision == rollout.to_revision


@pytest.mark.parametrize(
    ("kind", "trigger"),
    [
        (FailureKind.CONTRACT_BROKEN, Trigger.CONTRACT_BROKEN),
        (FailureKind.ERROR, Trigger.ERROR_RATE_HIGH),
        (None, Trigger.ANSWERS_REPORTED),
    ],
)
def test_a_watch_that_fails_switches_back_by_itself_M28(
    desk: Desk, kind: FailureKind | None, trigger: Trigger
) -> None:
    deployment, rollout = switched(desk)
    good = add_answers(rollout, canary=20)
    if kind is None:
        report(good[:8])
    else:
        add_answers(rollout, canary=8, failure=kind, was_replaced=True)
    while state_of(rollout) == RolloutState.RUNNING:
        assert rollouts.advance(rollout_id=rollout.pk)
    assert (rollout.state, rollout.weight_percent) == (RolloutState.ROLLING_BACK, 0)
    route = build_snapshot().deployments[deployment.public_name]
    assert route.canary is None and route.stable is not None
    assert advanced(rollout).state == RolloutState.ROLLED_BACK
    assert rollout.trigger == trigger


def test_the_report_limit_is_set_from_stable_s_answers_before_the_switch(desk: Desk) -> None:
    first, second, third = (desk.version() for _ in range(3))
    deployment = desk.live(first)
    trial = desk.start(deployment, second)
    report(add_answers(trial, stable=40)[:8])
    rollouts.abort(rollout=trial, **desk.by())
    advanced(trial)
    rollout = desk.start(deployment, third, strategy="blue_green")
    assert rollout.steps.get(kind="analyse").params["report_limit"] == pytest.approx(0.4)
    report(add_answers(rollout, canary=60)[:12])
    assert advanced(rollout).state == RolloutState.RUNNING, "reported as often as stable"


def test_the_switch_waits_for_every_node_and_asks_a_person_about_a_lame_one(desk: Desk) -> None:
    desk.nodes.append(desk.add_node())
    deployment = desk.live(desk.version())
    second = desk.version()
    Replica.objects.filter(node=desk.nodes[1], version=second).update(
        state=ReplicaState.FAILED, failures_count=3, error="The disk is full."
    )
    rollout = desk.start(deployment, second, strategy="blue_green")
    assert (rollout.state, rollout.paused_kind) == (RolloutState.PAUSED, PauseKind.TROUBLE)
    assert desk.nodes[1].name in rollout.paused_reason
    assert "disk is full" in rollout.paused_reason
    assert rollout.weight_percent == 0


def test_a_first_revision_has_no_watch(desk: Desk) -> None:
    rollout = desk.start(desk.deployment(), desk.version(), strategy="blue_green")
    assert rollout.state == RolloutState.PROMOTED
    kinds = list(rollout.steps.order_by("index").values_list("kind", flat=True))
    assert kinds == ["load", "evaluate", "promote"]


def test_it_can_be_aborted_during_the_watch(desk: Desk) -> None:
    deployment, rollout = switched(desk)
    rollouts.abort(rollout=rollout, **desk.by())
    assert build_snapshot().deployments[deployment.public_name].canary is None
    assert advanced(rollout).state == RolloutState.ABORTED
