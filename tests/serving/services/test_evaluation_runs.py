"""Evaluations on a node: wanted there, answered, graded, taken up again after a kill."""

from datetime import timedelta

from compliance.models import EvaluationRun, Permission
from compliance.services import evaluations, permissions, stops
from compliance.states import RunState
from config.accounts.selectors import actor_of
from config.core import clock
from serving.models import Replica
from serving.selectors.evaluations import runs_to_take_up
from serving.services import evaluation_runs, reconciling
from tests.factories import compliance as judge
from tests.factories.serving import House


def loaded_run(house: House, **script: object) -> EvaluationRun:
    version = house.version(script=script, is_permitted=False)
    run = house.request_evaluation(version, house.evaluation_set())
    reconciling.reconcile_all()
    house.run_agents()
    return run


def test_a_run_is_answered_on_one_node_under_its_own_permission(house: House) -> None:
    house.add_node()
    run = loaded_run(house)
    assert Replica.objects.count() == 1
    (key,) = [key for twin in house.nodes for key, _ in twin.state.leases.live()]
    assert (key.purpose, key.run) == ("evaluate", str(run.uuid))
    # Not routable: nothing but this run may use it.
    replica = Replica.objects.get()
    twin = next(twin for twin in house.nodes if twin.row.pk == replica.node_id)
    assert twin.ask(key.name).json()["code"] == "no_lease"

    assert runs_to_take_up() == [run.pk]
    assert evaluation_runs.run(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.rows_done, run.correct_count) == (RunState.DONE, 60, 60)
    assert (run.node_name, run.engine_build) == (
        twin.name,
        twin.state.engine.capabilities().engine_build,
    )
    assert Permission.objects.get(run=run).ended_at is not None
    assert not evaluation_runs.run(run_id=run.pk), "a second delivery finds nothing to do"
    # Its reason has gone: the node drops it after the drain.
    with clock.frozen_at(clock.now() + timedelta(seconds=7)):
        for each in house.nodes:
            each.tend()
        reconciling.reconcile_all()
    with clock.frozen_at(clock.now() + timedelta(seconds=14)):
        for each in house.nodes:
            each.tend()
        reconciling.reconcile_all()
        house.run_agents()
    assert twin.loaded() == set()


def test_wrong_answers_are_graded_wrong(house: House) -> None:
    run = loaded_run(house, rules=[], default="routine")
    assert evaluation_runs.run(run_id=run.pk)
    run.refresh_from_db()
    assert run.correct_count == 20


def test_a_killed_worker_leaves_its_rows_and_the_next_goes_on(house: House) -> None:
    run = loaded_run(house)
    attempt = evaluations.begin(
        run_id=run.pk,
        node_name=house.node.name,
        engine_build=house.node.state.engine.capabilities().engine_build,
        device="none",
        dtype="none",
    )
    assert attempt == 1
    rows = [
        {"index": prompt.index, "answer": "soon", "finish": "stop", "duration_ms": 1}
        for prompt in judge.prompts(run)
    ][:25]
    evaluations.record(run_id=run.pk, attempt=attempt, rows=rows)
    assert runs_to_take_up() == []
    assert not evaluation_runs.run(run_id=run.pk), "somebody seems to be at it"
    with clock.frozen_at(clock.now() + timedelta(seconds=65)):
        house.node.tend()
        assert not evaluation_runs.run(run_id=run.pk), "its lease has run out"
    with clock.frozen_at(clock.now() + timedelta(seconds=130)):
        permissions.renew_due()
        house.node.tend()
        assert runs_to_take_up() == [run.pk]
        assert evaluation_runs.run(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempt, run.rows_done) == (RunState.DONE, 3, 60)
    kept = run.rows.filter(index__in=[row["index"] for row in rows])
    assert {row.given for row in kept} == {"soon"}, "what the first attempt recorded is kept"


def test_what_no_node_can_load_is_given_up(house: House) -> None:
    run = loaded_run(house, fail="load")
    Replica.objects.update(failures_count=evaluation_runs.GIVE_UP_AFTER)
    assert evaluation_runs.fail_unloadable() == 1
    run.refresh_from_db()
    assert run.state == RunState.FAILED and "could not be loaded" in run.error


def test_a_refusal_of_the_node_fails_the_run_with_its_words(house: House) -> None:
    run = loaded_run(house)
    house.node.state.stops.apply(1, [run.digest])
    assert not evaluation_runs.run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == RunState.FAILED and "stopped" in run.error


def test_an_item_that_does_not_fit_counts_as_wrong(house: House) -> None:
    house.node.reboot(max_model_len=40)
    house.node.tend()
    items = judge.items(40)
    items[3]["text"] = "word " * 60 + "soon"
    version = house.version(is_permitted=False)
    run = house.request_evaluation(version, house.evaluation_set(given=items))
    reconciling.reconcile_all()
    house.run_agents()
    assert evaluation_runs.run(run_id=run.pk)
    run.refresh_from_db()
    row = run.rows.get(index=3)
    assert (row.finish, row.is_correct, run.rows_done) == ("refused", False, 40)


def test_a_stopped_version_is_not_waited_for(house: House) -> None:
    version = house.version(is_permitted=False)
    run = house.request_evaluation(version, house.evaluation_set())
    stops.issue(
        digest=version.digest, reason="wrong", user=house.operator, actor=actor_of(house.operator)
    )
    reconciling.reconcile_all()
    assert not Replica.objects.exists()
    assert evaluation_runs.fail_unloadable() == 1
    run.refresh_from_db()
    assert run.state == RunState.FAILED and "stopped" in run.error
