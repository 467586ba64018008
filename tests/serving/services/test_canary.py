"""A canary: promoted, rolled back, refused before traffic, undecided; each step once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from compliance.errors import NotPermitted
from compliance.models import AuditEvent, EvaluationRun, Stop
from config.accounts.selectors import actor_of
from config.core import clock
from registry.models import AliasMove, Version
from registry.selectors import live_version
from serving.errors import RolloutInvalid, RolloutOpen
from serving.models import AnalysisRun, Deployment, Replica, Rollout
from serving.selectors import rollouts as reads
from serving.selectors.evidence import stage_counts
from serving.selectors.routing import build_snapshot
from serving.services import reconciling, rollouts
from serving.states import FailureKind, ReplicaState, RolloutState, StepState
from tests.factories import compliance as judge
from tests.factories.serving import House, add_answers, report, state_of


@pytest.fixture
def sets(house: House) -> list:  # type: ignore[type-arg]
    return [house.evaluation_set(given=judge.items(120))]


def to_first_weight(house: House, deployment: Deployment, candidate: Version) -> Rollout:
    rollout = house.start(deployment, candidate)
    house.load()
    run_to_end(house, rollout, 4)
    assert rollout.weight_percent == 20, (rollout.state, rollout.reason, rollout.paused_reason)
    return rollout


def feed_good(rollout: Rollout, *, canary: int, stable: int) -> None:
    add_answers(rollout, canary=canary)
    report(add_answers(rollout, stable=stable)[: stable // 5])


def run_to_end(house: House, rollout: Rollout, rounds: int = 14) -> str:
    for _ in range(rounds):
        rollouts.advance(rollout_id=rollout.pk)
    return state_of(rollout)


def test_a_better_version_is_promoted_step_by_step_M23_M29(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = to_first_weight(house, deployment, second)
    route = build_snapshot().deployments[deployment.public_name]
    assert route.canary is not None and route.canary.weight_percent == 20

    feed_good(rollout, canary=80, stable=320)
    run_to_end(house, rollout, 4)
    rollout.refresh_from_db()
    assert (rollout.stage, rollout.weight_percent, rollout.state) == (2, 50, "running")
    progress = reads.progress_of(reads.rollout_by_uuid(rollout.uuid))
    assert 50 < progress < 100
    feed_good(rollout, canary=25, stable=25)
    assert run_to_end(house, rollout) == RolloutState.PROMOTED

    deployment.refresh_from_db()
    assert deployment.stable_revision == rollout.to_revision
    assert live_version(house.adapter) == second
    assert AliasMove.objects.filter(adapter=house.adapter, name="live").count() == 2
    route = build_snapshot().deployments[deployment.public_name]
    assert route.canary is None and route.stable is not None
    assert route.stable.digest == second.digest
    assert reads.progress_of(reads.rollout_by_uuid(rollout.uuid)) == 100
    curve = list(reads.evidence_curve(rollout).filter(signal="failures"))
    assert [row.canary_count for row in curve] == sorted({row.canary_count for row in curve})
    assert curve[-1].log10_safe >= curve[-1].log10_limit
    steps = AuditEvent.objects.filter(action="rollout.step", object_id=str(rollout.uuid))
    begun = 1 + rollout.steps.exclude(kind="unload").count() * 2
    assert steps.count() == begun, "each step begins once and ends once; the last has begun"
    # The former version stays for a fast rollback: four slots leave room.
    with clock.frozen_at(clock.now() + timedelta(seconds=20)):
        for twin in house.nodes:
            twin.tend()
        reconciling.reconcile_all()
        rollouts.advance(rollout_id=rollout.pk)
    last = rollout.steps.order_by("-index").first()
    assert last is not None and last.state == StepState.DONE and "fast rollback" in last.detail
    assert Replica.objects.get(version=first).state == ReplicaState.READY


def test_broken_answers_roll_back_with_the_route_first_M6_M28(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = to_first_weight(house, deployment, second)
    add_answers(rollout, canary=16, stable=80)
    add_answers(rollout, canary=4, failure=FailureKind.CONTRACT_BROKEN, was_replaced=True)

    rollouts.advance(rollout_id=rollout.pk)  # begins the analysis or judges it
    while state_of(rollout) == RolloutState.RUNNING:
        assert rollouts.advance(rollout_id=rollout.pk)
    # The route is back before anything is undone or unloaded.
    assert rollout.state == RolloutState.ROLLING_BACK
    assert (rollout.weight_percent, rollout.trigger) == (0, "contract_broken")
    assert build_snapshot().deployments[deployment.public_name].canary is None
    assert Replica.objects.get(version=second).state == ReplicaState.READY

    assert run_to_end(house, rollout, 20) == RolloutState.ROLLED_BACK
    states = set(rollout.steps.values_list("state", flat=True))
    assert states == {StepState.UNDONE, StepState.SKIPPED}
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == first
    assert live_version(house.adapter) == first
    # Bytes leave the node only after the drain.
    house.look()
    assert second.runtime_name in house.node.loaded()
    with clock.frozen_at(clock.now() + timedelta(seconds=6)):
        for _ in range(2):
            house.node.tend()
            reconciling.reconcile_all()
            house.run_agents()
    assert house.node.loaded() == {first.runtime_name}


def test_reported_answers_roll_back(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    rollout = to_first_weight(house, house.live(first), second)
    report(add_answers(rollout, canary=40)[:20])
    report(add_answers(rollout, stable=160)[:5])
    assert run_to_end(house, rollout, 20) == RolloutState.ROLLED_BACK
    assert rollout.trigger == "answers_reported"


def test_a_worse_version_never_meets_traffic(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first = house.version(evaluated_on=sets)
    worse = house.version(
        evaluated_on=sets,
        how=lambda text: "soon" if text.endswith("routine") else judge.right(text),
    )
    deployment = house.live(first)
    rollout = house.start(deployment, worse)
    house.settle(4)
    assert run_to_end(house, rollout, 20) == RolloutState.ROLLED_BACK
    assert (rollout.trigger, rollout.stage) == ("validation_failed", 0)
    found = AnalysisRun.objects.get(rollout=rollout, signal="comparison")
    assert found.verdict == "failed"
    assert found.detail["newly_wrong"] == 40
    assert not AuditEvent.objects.filter(action="rollout.weight_set").exists()


def test_runs_that_one_side_lacks_are_asked_for(house: House, sets: list) -> None:  # type: ignore[type-arg]
    more = house.evaluation_set(given=judge.items(40, age_group="child"))
    first, second = house.version(evaluated_on=sets), house.version(evaluated_on=[more])
    rollout = house.start(house.live(first), second)
    house.settle(6)
    for version in (first, second):
        runs = EvaluationRun.objects.filter(version=version, state="done")
        assert {run.evaluation_set_id for run in runs} == {sets[0].pk, more.pk}
    assert state_of(rollout) == RolloutState.RUNNING
    assert AnalysisRun.objects.get(rollout=rollout, signal="comparison").canary_count == 160


def test_undecided_pauses_and_a_person_may_grant_as_much_again(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first, policy={"max_requests": 40})
    rollout = to_first_weight(house, deployment, second)
    add_answers(rollout, canary=8, stable=32)
    run_to_end(house, rollout, 4)
    assert state_of(rollout) == RolloutState.PAUSED
    assert rollout.paused_reason.startswith("Undecided on failures and reports")
    assert build_snapshot().deployments[deployment.public_name].canary is not None
    by = {"user": house.operator, "actor": actor_of(house.operator)}
    rollouts.resume(rollout=rollout, reason="more traffic comes tonight", **by)  # type: ignore[arg-type]
    run_to_end(house, rollout, 3)
    assert state_of(rollout) == RolloutState.RUNNING
    rollouts.abort(rollout=rollout, reason="not today", **by)  # type: ignore[arg-type]
    assert state_of(rollout) == RolloutState.ABORTING
    assert build_snapshot().deployments[deployment.public_name].canary is None
    assert run_to_end(house, rollout, 20) == RolloutState.ABORTED


def test_an_answer_that_replaced_another_is_no_unit_of_its_own(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    rollout = to_first_weight(house, house.live(first), second)
    add_answers(rollout, canary=3, stable=7)
    broken = add_answers(rollout, canary=1, failure=FailureKind.EMPTY, was_replaced=True)
    add_answers(rollout, canary=1, failure=FailureKind.STOPPED)
    instead = add_answers(rollout, stable=1)
    from serving.models import Answer

    Answer.objects.filter(answer_id=instead[0]).update(replaces_answer_id=broken[0])
    report(instead)
    (counts,) = stage_counts(rollout)
    assert (counts.canary.answers, counts.canary.failures, counts.canary.malformed) == (4, 1, 1)
    assert (counts.canary.shown, counts.canary.reported) == (3, 0)
    assert (counts.stable.answers, counts.stable.shown, counts.stable.reported) == (7, 7, 0)


def in_threads(count: int, act: Callable[[], object]) -> list[object]:
    barrier = threading.Barrier(count, timeout=60)

    def one() -> object:
        try:
            barrier.wait(10)
            return act()
        except RolloutOpen as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(count)]]


def test_of_two_starts_at_once_one_is_refused_in_clear_words(house: House, sets: list) -> None:  # type: ignore[type-arg]
    version = house.version(evaluated_on=sets)
    deployment = house.deployment()
    found = in_threads(2, lambda: house.start(Deployment.objects.get(pk=deployment.pk), version))
    kinds = sorted(type(each).__name__ for each in found)
    assert kinds == ["Rollout", "RolloutOpen"]
    assert Rollout.objects.count() == 1
    refused = AuditEvent.objects.get(action="rollout.refused")
    assert "one at a time" in refused.body


def test_four_threads_that_advance_do_each_step_once(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.load()
    for _ in range(6):
        in_threads(4, lambda: rollouts.advance(rollout_id=rollout.pk))
    rollout.refresh_from_db()
    assert rollout.weight_percent == 20
    feed_good(rollout, canary=80, stable=320)
    for _ in range(3):
        in_threads(4, lambda: rollouts.advance(rollout_id=rollout.pk))
    rollout.refresh_from_db()
    feed_good(rollout, canary=25, stable=25)
    for _ in range(4):
        in_threads(4, lambda: rollouts.advance(rollout_id=rollout.pk))
    assert state_of(rollout) == RolloutState.PROMOTED
    events = AuditEvent.objects.filter(object_id=str(rollout.uuid))
    count = rollout.steps.exclude(kind="unload").count()
    assert events.filter(action="rollout.step").count() - 2 * count in {0, 1, 2}
    assert events.filter(action="rollout.weight_set").count() == 2
    assert events.filter(action="rollout.promoted").count() == 1
    assert AliasMove.objects.filter(to_version=second).count() == 1


class Killed(Exception):
    pass


def advance_killed_before_commit(rollout: Rollout) -> None:
    with pytest.raises(Killed), transaction.atomic():
        rollouts.advance(rollout_id=rollout.pk)
        raise Killed


@pytest.mark.parametrize("is_good", [True, False])
def test_killed_before_every_commit_it_comes_to_the_same_end(
    house: House,
    sets: list,  # type: ignore[type-arg]
    is_good: bool,
) -> None:
    first, second = (house.version(evaluated_on=sets) for _ in range(2))
    deployment = house.live(first)
    rollout = house.start(deployment, second)
    house.load()
    fed: set[int] = set()
    for _ in range(40):
        advance_killed_before_commit(rollout)
        rollouts.advance(rollout_id=rollout.pk)
        if state_of(rollout) not in {RolloutState.RUNNING, RolloutState.ROLLING_BACK}:
            break
        if rollout.weight_percent and rollout.stage not in fed:
            fed.add(rollout.stage)
            if is_good:
                feed_good(rollout, canary=80, stable=80 if rollout.stage == 2 else 320)
            else:
                add_answers(rollout, canary=8, stable=20, failure=FailureKind.NONE)
                add_answers(rollout, canary=8, failure=FailureKind.ERROR)
    events = AuditEvent.objects.filter(object_id=str(rollout.uuid))
    if is_good:
        assert rollout.state == RolloutState.PROMOTED
        assert events.filter(action="rollout.weight_set").count() == 2
        assert events.filter(action="rollout.promoted").count() == 1
    else:
        assert (rollout.state, rollout.trigger) == ("rolled_back", "error_rate_high")
        assert events.filter(action="rollout.rolling_back").count() == 1
        assert events.filter(action="rollout.rolled_back").count() == 1
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == (second if is_good else first)


def test_what_is_not_permitted_or_does_not_belong_is_refused_and_written_down(
    house: House,
    sets: list,  # type: ignore[type-arg]
) -> None:
    deployment = house.deployment()
    with pytest.raises(NotPermitted):
        house.start(deployment, house.version(is_permitted=False))
    stopped = house.version()
    Stop.objects.create(digest=stopped.digest, reason="test")
    with pytest.raises(NotPermitted):
        house.start(deployment, stopped)
    from tests.factories import registry as make

    other = make.adapter(base=house.base, owner=house.engineer, safety_class="A")
    with pytest.raises(RolloutInvalid):
        house.start(deployment, house.version(of=other))
    with pytest.raises(RolloutInvalid):
        house.start(deployment, None, reason="the base")
    assert AuditEvent.objects.filter(action="rollout.refused").count() == 4
    assert not Rollout.objects.exists()


def test_the_expectation_names_requests_and_answers(house: House, sets: list) -> None:  # type: ignore[type-arg]
    first = house.version(evaluated_on=sets)
    deployment = house.live(first, policy={"report_rule": "watch"})
    found = reads.expectation(deployment)
    assert found.requests is not None and 300 < found.requests < 500
    assert found.candidate_answers is not None and 80 < found.candidate_answers < 110
    assert str(found.requests) in found.words
