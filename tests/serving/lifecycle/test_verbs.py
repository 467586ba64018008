"""Load, unload, swap, roll back: the house's own acts, in the medical system's words."""

import asyncio
from typing import Any

import pytest

from compliance.models import AuditEvent, Permission
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
from serving.models import Deployment, Replica, Rollout
from serving.states import ReplicaState
from serving.strategies import CHOSEN_BY_PEOPLE
from tests.factories import compliance as judge
from tests.factories.serving import add_answers, report
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
