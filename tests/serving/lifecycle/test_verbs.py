"""Load, unload, swap, roll back: the house's own acts, in the medical system's words."""

import asyncio
import json
import logging
from typing import Any

import pytest

from compliance.models import AuditEvent, Permission
from compliance.services import audit, stops
from config.accounts.selectors import actor_of
from config.core.actors import SYSTEM
from config.core.errors import Invalid, NotFound
from registry.models import Version
from serving.errors import (
    AdapterServed,
    NothingToRollBackTo,
    RegistrationTaken,
    RolloutInvalid,
    RolloutNotFound,
)
from serving.lifecycle import AdapterType, AdapterVersion, LifecycleManager, SwapStrategy
from serving.lifecycle.acting import in_thread
from serving.lifecycle.errors import AdapterNotLoaded, AdapterNotServed, LifecycleClosed
from serving.models import Answer, Deployment, Node, Replica, Rollout
from serving.services import rollouts
from serving.states import FailureKind, ReplicaState
from serving.strategies import CHOSEN_BY_PEOPLE
from tests.factories import compliance as judge
from tests.factories import registry as make
from tests.factories.serving import add_answers, report
from tests.factories.trials import undecided
from tests.serving.lifecycle.conftest import LABEL, Clinic

KEYS = {
    "operation_id", "from_adapter", "to_adapter", "strategy", "status", "created_at", "started_at",
    "completed_at", "duration_seconds", "steps", "current_step", "progress_percentage",
    "error_message", "can_rollback", "rollback_reason", "validation_passed", "test_results",
    "health_metrics",
}  # fmt: skip


def test_an_approved_adapter_is_loaded_under_its_id_M65(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> Any:
        with pytest.raises(NotFound, match="no adapter medical-diagnosis-v1"):
            await lifecycle.load_adapter("medical_diagnosis_v1")
        await clinic.added(lifecycle, "medical_diagnosis_v1", "v1.0.0")
        first = await clinic.loaded(lifecycle, "medical_diagnosis_v1")
        assert await lifecycle.load_adapter("medical_diagnosis_v1") == first
        return first

    instance = clinic.run(story)
    assert instance.adapter_id == instance.name == "medical_diagnosis_v1"
    assert (instance.version_id, instance.state) == ("v1.0.0", "loaded")
    assert instance.nodes == (clinic.desk.nodes[0].name,)
    row = Deployment.objects.get(public_name="medical_diagnosis_v1")
    assert row.stable_revision is not None
    assert row.stable_revision.digest == instance.digest
    started = AuditEvent.objects.get(action="rollout.started")
    assert started.actor_name == clinic.user.username
    assert '"session":"lifecycle"' in started.body


def test_which_version_is_meant_is_never_guessed(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "a", "v1")
        await clinic.added(lifecycle, "a", "v2")
        with pytest.raises(Invalid, match="several are approved: v2, v1"):
            await lifecycle.load_adapter("a")
        await clinic.loaded(lifecycle, "a", version_id="v1")
        with pytest.raises(RegistrationTaken, match="is registered with the digest"):
            await lifecycle.load_adapter("a", "v2")

    clinic.run(story)


def test_what_a_person_has_to_decide_is_not_waited_for(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "a", "v1", ready=False)
        row = await in_thread(clinic.version, "a", "v1")
        await in_thread(judge.run_checks, row)
        await in_thread(lambda: permit(row))
        await in_thread(lambda: clinic.desk.prove(row))
        with pytest.raises(AdapterNotLoaded, match="a person decides first"):
            await clinic.loaded(lifecycle, "a")

    clinic.run(story)


def permit(row: Version) -> None:
    Permission.objects.create(version=row, digest=row.digest, purpose="serve", ttl_seconds=600)


def test_an_adapter_is_unloaded_and_what_the_house_serves_is_not_M66(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment = desk.live(desk.version())

    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "a", "v1")
        assert await lifecycle.unload_adapter("a") is False
        await clinic.loaded(lifecycle, "a")
        assert await lifecycle.unload_adapter("a") is True
        assert await lifecycle.unload_adapter("a", force=True) is True
        for force in (False, True):
            with pytest.raises(AdapterServed, match=f"is served as {deployment.public_name}"):
                await lifecycle.unload_adapter(desk.adapter.ref, force=force)

    clinic.run(story)
    assert not Deployment.objects.get(public_name="a").is_enabled
    replica = Replica.objects.get(version__adapter__slug="a")
    assert replica.state == ReplicaState.UNLOADING, "forced: not drained"
    assert Replica.objects.get(version__adapter=desk.adapter).state == ReplicaState.READY
    refused = AuditEvent.objects.filter(action="replica.unload_refused")
    assert {event.actor_name for event in refused} == {clinic.user.username}


@pytest.mark.parametrize("stuck", [ReplicaState.LOADING, ReplicaState.FAILED, ReplicaState.WANTED])
def test_a_stuck_replica_goes_by_force_alone_M164(clinic: Clinic, stuck: ReplicaState) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "a", "v1")
        await in_thread(Replica.objects.all().update, state=stuck)
        assert await lifecycle.unload_adapter("a") is False
        assert await in_thread(lambda: Replica.objects.get().state) == stuck
        assert await lifecycle.unload_adapter("a", force=True, reason="it hangs") is True

    clinic.run(story)
    assert Replica.objects.get().state == ReplicaState.UNLOADING
    event = AuditEvent.objects.get(action="replica.unloading")
    assert event.actor_name == clinic.user.username
    assert "it hangs" in event.body


def test_strategies_that_the_house_lacks_are_refused_with_those_it_has(clinic: Clinic) -> None:
    desk = clinic.desk
    first, second = desk.version(), desk.version()
    deployment = desk.live(first)
    sides = (desk.adapter.ref, first.version_name, desk.adapter.ref, second.version_name)
    has = {SwapStrategy(key) for key in CHOSEN_BY_PEOPLE}

    async def story(lifecycle: LifecycleManager) -> None:
        for strategy in set(SwapStrategy) - has:
            with pytest.raises(RolloutInvalid, match=strategy) as refused:
                await lifecycle.hot_swap_adapters(*sides, strategy)
            assert all(key in refused.value.fix for key in CHOSEN_BY_PEOPLE)
        with pytest.raises(AdapterNotServed):
            await lifecycle.hot_swap_adapters(*sides[2:], *sides[:2])
        await lifecycle.hot_swap_adapters(*sides)

    clinic.run(story)
    assert Rollout.objects.get(deployment=deployment, state="running").strategy == "canary"


def test_a_swap_is_a_rollout_from_start_to_end_M30_M31(db: None, tmp_path: Any) -> None:
    clinic = Clinic(tmp_path, items=120)

    async def story(lifecycle: LifecycleManager) -> tuple[str, list[dict[str, Any]]]:
        await clinic.added(lifecycle, "old_diagnosis_v1", "v1.0.0")
        await clinic.loaded(lifecycle, "old_diagnosis_v1")
        await clinic.added(lifecycle, "medical_diagnosis_v1", "v2.0.0")
        swap_id = await lifecycle.hot_swap_adapters(
            from_adapter_id="old_diagnosis_v1",
            from_version_id="v1.0.0",
            to_adapter_id="medical_diagnosis_v1",
            to_version_id="v2.0.0",
            strategy=SwapStrategy.CANARY,
        )
        told = [await lifecycle.hot_swap.get_operation_status(swap_id)]
        rollout = await in_thread(Rollout.objects.get, uuid=swap_id)
        for _ in range(8):
            await in_thread(clinic.advance)
        told.append(await lifecycle.hot_swap.get_operation_status(swap_id))
        for _ in range(2):
            await in_thread(lambda: feed(rollout))
            for _ in range(8):
                await in_thread(clinic.advance)
        told.append(await lifecycle.hot_swap.get_operation_status(swap_id))
        with pytest.raises(RolloutNotFound):
            await lifecycle.hot_swap.get_operation_status("no-such-id")
        return swap_id, told

    swap_id, (begun, tested, done) = clinic.run(story)
    for told in (begun, tested, done):
        assert set(told) == KEYS
        assert told["operation_id"] == swap_id
        assert told["from_adapter"] == "old_diagnosis_v1:v1.0.0"
        assert told["to_adapter"] == "medical_diagnosis_v1:v2.0.0"
        assert f"{told['progress_percentage']:.1f}%".endswith("%")
    assert (begun["status"], tested["status"]) == ("pending", "testing")
    assert begun["progress_percentage"] < tested["progress_percentage"] < 100
    assert (tested["validation_passed"], tested["test_results"]["items"]) == (True, 120)
    assert (done["status"], done["progress_percentage"]) == ("completed", 100.0), done
    assert done["health_metrics"][0]["answers"] == 80
    assert done["completed_at"] and done["duration_seconds"] >= 0
    row = Deployment.objects.get(public_name="old_diagnosis_v1")
    assert row.stable_revision is not None
    assert row.stable_revision.version == clinic.version("medical_diagnosis_v1", "v2.0.0")
    assert row.adapter == clinic.adapter("medical_diagnosis_v1")

    async def back(lifecycle: LifecycleManager) -> str:
        return await lifecycle.rollback_adapter("medical_diagnosis_v1", reason="worse after all")

    assert clinic.run(back) != swap_id
    row.refresh_from_db()
    assert row.stable_revision.version == clinic.version("old_diagnosis_v1", "v1.0.0")
    assert row.adapter == clinic.adapter("old_diagnosis_v1")


def feed(rollout: Rollout) -> None:
    """Answers that speak for the candidate: clean ones, and stable's are reported."""
    add_answers(rollout, canary=80)
    report(add_answers(rollout, stable=320)[:64])


def test_what_the_house_deployed_stays_with_its_adapter(clinic: Clinic) -> None:
    desk = clinic.desk
    first = desk.version()
    desk.live(first)

    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "another", "v1")
        with pytest.raises(RolloutInvalid, match="is no version of what"):
            await lifecycle.hot_swap_adapters(desk.adapter.ref, first.version_name, "another", "v1")
        await clinic.added(lifecycle, "a", "v1")
        await clinic.loaded(lifecycle, "a")
        await lifecycle.register_adapter(clinic.metadata("strict", safety_class="C"))
        await lifecycle.registry.add_version(
            "strict", version_named("v1"), clinic.package(), label=LABEL
        )
        await in_thread(clinic.make_ready, "strict", "v1")
        with pytest.raises(RolloutInvalid, match="is no version of what"):
            await lifecycle.hot_swap_adapters("a", "v1", "strict", "v1")

    clinic.run(story)


def version_named(name: str) -> AdapterVersion:
    return AdapterVersion(version_id=name, adapter_type=AdapterType.MEDICAL_LORA)


def test_a_promoted_version_is_rolled_back_with_a_reason_M83(clinic: Clinic) -> None:
    desk = clinic.desk
    first, second = desk.version(), desk.version()
    deployment = desk.live(first, second)

    async def story(lifecycle: LifecycleManager) -> str:
        with pytest.raises(Invalid, match="reason is needed"):
            await lifecycle.rollback_adapter(desk.adapter.ref, " ")
        return await lifecycle.rollback_adapter(
            desk.adapter.ref, reason="Manual intervention required"
        )

    rollback = Rollout.objects.get(uuid=clinic.run(story))
    deployment.refresh_from_db()
    assert deployment.stable_revision is not None
    assert deployment.stable_revision.version == first
    assert (rollback.trigger, rollback.reason) == ("manual", "Manual intervention required")
    assert rollback.started_by == clinic.user


def test_a_rollout_under_way_is_aborted(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment = desk.live(desk.version())
    rollout = desk.start(deployment, desk.version())
    assert rollout.weight_percent > 0

    async def story(lifecycle: LifecycleManager) -> str:
        return await lifecycle.emergency_rollback(desk.adapter.ref, reason="System failure")

    assert clinic.run(story) == str(rollout.uuid)
    rollout.refresh_from_db()
    assert (rollout.state, rollout.weight_percent) == ("aborting", 0)


def test_an_emergency_rollback_has_changed_the_route_when_it_returns_M84_M163(
    clinic: Clinic,
) -> None:
    desk = clinic.desk
    first, second = desk.version(), desk.version()
    deployment = desk.live(first, second)

    async def story(lifecycle: LifecycleManager) -> tuple[str, Any]:
        made = await lifecycle.emergency_rollback(
            desk.adapter.ref, reason="System failure detected"
        )
        now = await in_thread(Deployment.objects.get, pk=deployment.pk)
        with pytest.raises(NothingToRollBackTo):
            await lifecycle.emergency_rollback(desk.adapter.ref, reason="again")
        return made, now.stable_revision_id

    made, stable = clinic.run(story)
    rollback = Rollout.objects.get(uuid=made)
    assert (rollback.state, rollback.trigger) == ("promoted", "emergency")
    assert rollback.to_revision_id == stable
    assert rollback.to_revision.version == first


def test_nothing_is_rolled_back_that_is_not_served(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        with pytest.raises(AdapterNotServed):
            await lifecycle.rollback_adapter(clinic.desk.adapter.ref, reason="because")

    clinic.run(story)


def test_an_adapter_s_numbers_are_counted_from_its_rows_M7_M15_M16_M91(clinic: Clinic) -> None:
    desk = clinic.desk
    first, second = desk.version(), desk.version()
    deployment = desk.live(first)
    rollout = desk.start(deployment, second)

    async def ask(lifecycle: LifecycleManager) -> Any:
        return await in_thread(lifecycle.metrics.get_adapter_performance, desk.adapter.ref)

    empty = clinic.run(ask)
    assert empty["usage_statistics"]["success_rate"] is None
    assert empty["performance_metrics"]["avg_load_time_ms"] is None
    for milliseconds in (800, 1300):
        audit.record(
            action="replica.ready",
            actor=SYSTEM,
            object_type="replica",
            object_id=str(Replica.objects.get(version=first).uuid),
            diff={
                "node": [None, "n1"],
                "version": [None, first.runtime_name],
                "load_ms": [None, milliseconds],
            },
        )
    add_answers(rollout, canary=15, stable=2)
    add_answers(rollout, canary=3, failure=FailureKind.TIMEOUT)
    add_answers(rollout, canary=1, failure=FailureKind.EMPTY, was_replaced=True)
    told = clinic.run(ask)
    usage, speed = told["usage_statistics"], told["performance_metrics"]
    assert (usage["total_requests"], usage["failed_requests"]) == (20, 3)
    assert usage["replaced_by_stable"] == 1
    assert f"{usage['success_rate']:.1%}" == "85.0%"
    assert (speed["total_loads"], f"{speed['avg_load_time_ms']:.0f}ms") == (2, "1050ms")
    assert (speed["min_load_time_ms"], speed["max_load_time_ms"]) == (800, 1300)
    assert (speed["avg_inference_latency_ms"], speed["p95_inference_latency_ms"]) == (2, 2)


def test_numbers_are_exported_since_a_moment_as_json_and_csv_M92(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment = desk.live(desk.version())
    rollout = desk.start(deployment, desk.version())
    old = add_answers(rollout, stable=3)
    Answer.objects.filter(answer_id__in=old).update(at="2026-01-01T10:00:00Z")
    add_answers(rollout, stable=4, canary=1)

    async def story(lifecycle: LifecycleManager) -> Any:
        export = lifecycle.metrics.export_metrics
        ref = desk.adapter.ref
        since = Answer.objects.order_by("-pk").values_list("at", flat=True)
        start = (await in_thread(lambda: since[0])).timestamp() - 3600
        with pytest.raises(Invalid, match="format 'xml'"):
            export(ref, format="xml")
        with pytest.raises(Invalid, match="no moment"):
            export(ref, start_time="yesterday")  # type: ignore[arg-type]
        return [
            await in_thread(export, adapter_id=ref, start_time=start, format="json"),
            await in_thread(export, ref),
            await in_thread(export, ref, format="csv"),
        ]

    lately, ever, table = clinic.run(story)
    assert json.loads(lately)["usage_statistics"]["total_requests"] == 5
    assert sum(row["requests"] for row in json.loads(lately)["hours"]) == 5
    assert json.loads(ever)["usage_statistics"]["total_requests"] == 8
    lines = table.splitlines()
    assert lines[0].startswith("hour,deployment,version,arm,requests,successful,failed")
    assert lines[1].startswith(
        f"2026-01-01T10:00:00+00:00,{deployment.public_name},v1,stable,3,3,0"
    )


def test_a_package_is_validated_by_the_registry_s_own_checks_M41(clinic: Clinic) -> None:
    good, bad = clinic.package(), clinic.package()
    config = json.loads((bad / "adapter_config.json").read_text())
    (bad / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}))

    async def story(lifecycle: LifecycleManager) -> Any:
        def validate(folder: Any) -> Any:
            return lifecycle.validator.validate_adapter(
                adapter_path=str(folder),
                base_model_id=lifecycle.config.base_model_id,
                adapter_id="problematic_adapter",
            )

        with pytest.raises(Invalid, match="neither a folder nor"):
            await in_thread(validate, clinic.folder / "nothing")
        return await in_thread(validate, good), await in_thread(validate, bad)

    fine, faulty = clinic.run(story)
    assert fine.is_compatible
    assert all(issue.severity == "warning" for issue in fine.issues)
    assert not faulty.is_compatible
    assert any("IA3" in issue.message for issue in faulty.issues), faulty.issues
    assert all(issue.message and issue.suggestion and issue.code for issue in faulty.issues)
    assert not Version.objects.exists(), "nothing is kept"


def test_health_and_status_are_those_of_the_house_M93_M94_M95(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> Any:
        return await lifecycle.get_system_status(), await lifecycle.health_check()

    status, health = clinic.run(story)
    assert set(status) == {"state", "active_adapters", "memory_usage_mb", "system_health"}
    assert status["state"] in {"ready", "degraded", "error"}
    assert status["system_health"] == health["overall_health"]
    assert f"Memory usage: {status['memory_usage_mb']:.1f}MB"
    assert health["components"]["database"]["status"] == "healthy"
    assert health["components"]["control"]["status"] == "unhealthy", "nobody has started it here"
    assert health["components"]["manager"]["memory_usage"]["rss_mb"] > 10
    assert any(alert["severity"] == "critical" and alert["message"] for alert in health["alerts"])


def test_a_manager_that_was_shut_down_takes_no_orders_and_unloads_nothing_M8(
    clinic: Clinic,
) -> None:
    kept: list[LifecycleManager] = []

    async def story(lifecycle: LifecycleManager) -> None:
        kept.append(lifecycle)
        await clinic.added(lifecycle, "a", "v1")
        await clinic.loaded(lifecycle, "a")
        await lifecycle.shutdown()
        for order in (
            lifecycle.load_adapter("a"), lifecycle.unload_adapter("a"), lifecycle.health_check(),
            lifecycle.emergency_rollback("a", "because"),
        ):  # fmt: skip
            with pytest.raises(LifecycleClosed):
                await order
        tasks = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        assert not any("Watcher" in name for name in tasks), tasks

    clinic.run(story)
    assert Deployment.objects.get(public_name="a").stable_revision is not None


def test_handlers_hear_of_swaps_and_of_failing_health_M131_M132_M133(clinic: Clinic) -> None:
    desk = clinic.desk
    first, second = desk.version(), desk.version()
    deployment = desk.live(first)
    heard: dict[str, list[dict[str, Any]]] = {"swap": [], "health": [], "back": [], "system": []}
    news = asyncio.Queue[str]()

    async def story(lifecycle: LifecycleManager) -> None:
        async def swap_completed_handler(event_data: dict[str, Any]) -> None:
            heard["swap"].append(event_data)
            news.put_nowait("swap")

        async def health_check_failed_handler(event_data: dict[str, Any]) -> None:
            heard["health"].append(event_data)
            await lifecycle.rollback_adapter(
                event_data["adapter_id"], reason="Health check failure"
            )
            news.put_nowait("health")

        def broken_handler(event_data: dict[str, Any]) -> None:
            raise RuntimeError(event_data["swap_id"])

        def rolled_back(event_data: dict[str, Any]) -> None:
            heard["back"].append(event_data)
            news.put_nowait("back")

        lifecycle.add_event_handler("system_error", heard["system"].append)
        lifecycle.add_event_handler("swap_completed", broken_handler)
        lifecycle.add_event_handler("swap_completed", swap_completed_handler)
        lifecycle.add_event_handler("health_check_failed", health_check_failed_handler)
        lifecycle.add_event_handler("rollback_executed", rolled_back)
        with pytest.raises(Invalid, match="no event 'adapter_sneezed'"):
            lifecycle.add_event_handler("adapter_sneezed", rolled_back)

        def promoted() -> None:
            rollout = desk.start(deployment, second)
            undecided(rollout)
            rollouts.promote(rollout=rollout, **desk.by())

        await in_thread(promoted)
        assert await asyncio.wait_for(news.get(), 20) == "swap"
        await in_thread(
            lambda: stops.issue(
                digest=second.digest, reason="x", user=clinic.user, actor=actor_of(clinic.user)
            )
        )
        got = {await asyncio.wait_for(news.get(), 20) for _ in range(2)}
        assert got == {"health", "back"}

    clinic.run(story, monitoring_interval=0.05, health_check_interval=0.05)
    (swap,) = heard["swap"]
    assert swap["swap_id"] == str(Rollout.objects.get(to_revision__version=second).uuid)
    assert swap["from_adapter"] == f"{desk.adapter.ref}:{first.version_name}"
    assert swap["to_adapter"] == f"{desk.adapter.ref}:{second.version_name}"
    (health,) = heard["health"]
    assert (health["adapter_id"], health["version_id"]) == (
        desk.adapter.ref,
        second.version_name,
    )
    assert "stopped" in health["reason"]
    assert heard["back"][0]["reason"] == "Health check failure"
    # Nobody has started the control process here; it is said once, not at each look.
    assert [event["component"] for event in heard["system"]].count("control") == 1


def test_intervals_are_those_of_the_configuration_M124_M126_M172(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment = desk.live(desk.version())
    told: list[str] = []

    def break_it() -> None:
        Node.objects.filter(base_model=desk.base).update(boot_id="another")
        desk.start(deployment, desk.version())

    async def story(lifecycle: LifecycleManager) -> None:
        news = asyncio.Event()

        def hear(event: dict[str, Any]) -> None:
            told.append("health" if "reason" in event else "swap")
            news.set()

        lifecycle.add_event_handler("health_check_failed", hear)
        lifecycle.add_event_handler("swap_started", hear)
        await in_thread(break_it)
        await asyncio.wait_for(news.wait(), 20)

    clinic.run(story, monitoring_interval=0.05)
    assert told == ["swap"]
    Rollout.objects.filter(deployment=deployment, state="running").update(state="aborted")
    told.clear()
    clinic.run(story, health_check_interval=0.05)
    assert told == ["health"]


def test_the_log_for_debugging_names_acts_and_no_text_M174(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "a", "v1")
        await clinic.loaded(lifecycle, "a")
        await lifecycle.unload_adapter("a")

    with caplog.at_level(logging.DEBUG, logger="adapters"):
        clinic.run(story)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("adapters")]
    for said in ("lifecycle.started", "lifecycle.loaded", "lifecycle.unloaded", "lifecycle.shut"):
        assert any(said in line for line in lines), (said, lines)
    assert all(
        record.levelno == logging.DEBUG
        for record in caplog.records
        if "lifecycle" in record.getMessage()
    )
    for text in (make.LABEL["purpose"], "note "):
        assert not any(text in line for line in lines)
