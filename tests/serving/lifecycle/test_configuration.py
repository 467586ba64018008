"""Every option does what it says, or is refused with the reason."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from structlog.testing import capture_logs

from config.core import clock
from config.core.errors import Forbidden, NotFound
from registry.models import BaseModel
from serving.lifecycle import (
    CacheStrategy,
    LifecycleManager,
    MemoryOptimizationLevel,
    SwapStrategy,
    SystemConfiguration,
    create_lifecycle_manager,
)
from serving.lifecycle.acting import in_thread
from serving.lifecycle.errors import (
    ConfigurationRefused,
    LifecycleBusy,
    LifecycleOverdue,
    MetadataInvalid,
)
from serving.models import Answer, Deployment, Node, Replica
from tests.factories import accounts
from tests.factories import registry as make
from tests.serving.lifecycle.conftest import Clinic


async def nothing(lifecycle: LifecycleManager) -> LifecycleManager:
    return lifecycle


def create(config: SystemConfiguration, user: Any = None) -> None:
    async def main() -> None:
        await (await create_lifecycle_manager(config, user=user)).shutdown()

    async_to_sync(main)()


def test_the_base_is_a_registered_one_in_its_own_folder_M111_M112(clinic: Clinic) -> None:
    base = clinic.desk.base
    assert clinic.run(nothing, base_model_path=base.folder).config.base_model_id == base.slug
    with pytest.raises(NotFound, match="no base model 'microsoft/DialoGPT-medium'"):
        create(SystemConfiguration(base_model_id="microsoft/DialoGPT-medium"), clinic.user)
    with pytest.raises(ConfigurationRefused, match="is registered from"):
        clinic.run(nothing, base_model_path="/path/to/model")


@pytest.mark.parametrize("option", ["registry_path", "metrics_storage_path"])
def test_the_database_is_the_registry_whatever_path_is_given_M113_M123(
    clinic: Clinic, option: str
) -> None:
    with capture_logs() as lines:
        clinic.run(nothing, **{option: "/data/adapters.db"})
    assert [line["object"] for line in lines if line["log_level"] == "warning"] == [option]
    with capture_logs() as lines:
        clinic.run(nothing)
    assert [line for line in lines if line["log_level"] == "warning"] == []


@pytest.mark.parametrize(
    ("option", "contradicting"),
    [
        ("enable_medical_compliance", False),
        ("enable_metrics", False),
        ("auto_rollback_enabled", False),
        ("require_medical_validation", False),
        ("hipaa_compliance_required", False),
        ("clinical_trial_mode", True),
    ],
)
def test_what_this_house_always_does_can_t_be_switched_off_M114_M122_M125_M128_M129_M130(
    option: str, contradicting: bool
) -> None:
    made = SystemConfiguration(base_model_id="a", **{option: not contradicting})
    assert getattr(made, option) is not contradicting
    with pytest.raises(ConfigurationRefused, match=f"{option}={contradicting}: .+"):
        SystemConfiguration(base_model_id="a", **{option: contradicting})


def test_cleanups_know_two_orders_M156() -> None:
    for order in (CacheStrategy.LRU, CacheStrategy.LFU):
        SystemConfiguration(base_model_id="a", cache_strategy=order)
    for other in set(CacheStrategy) - {CacheStrategy.LRU, CacheStrategy.LFU}:
        with pytest.raises(ConfigurationRefused, match="lru and lfu"):
            SystemConfiguration(base_model_id="a", cache_strategy=other)


def test_memory_is_kept_as_strictly_as_can_be_M116_M157() -> None:
    made = SystemConfiguration(base_model_id="a")
    assert made.memory_optimization is MemoryOptimizationLevel.MEDICAL_STRICT
    for weaker in set(MemoryOptimizationLevel) - {MemoryOptimizationLevel.MEDICAL_STRICT}:
        with pytest.raises(ConfigurationRefused, match="only medical_strict"):
            SystemConfiguration(base_model_id="a", memory_optimization=weaker)


def test_the_document_s_configurations_are_taken_as_they_are_M165(clinic: Clinic) -> None:
    advanced = {
        "base_model_path": clinic.desk.base.folder,
        "registry_path": "/data/adapter_registry.db",
        "cache_strategy": CacheStrategy.LRU,
        "memory_optimization": MemoryOptimizationLevel.MEDICAL_STRICT,
        "max_cache_size": 5,
        "max_memory_mb": 16384,
        "enable_gpu_optimization": True,
        "max_concurrent_loads": 2,
        "max_concurrent_swaps": 3,
        "enable_metrics": True,
        "metrics_storage_path": "/data/metrics.db",
        "monitoring_interval": 30,
        "auto_rollback_enabled": True,
        "health_check_interval": 15,
        "emergency_swap_timeout": 60.0,
        "require_medical_validation": True,
        "hipaa_compliance_required": True,
        "clinical_trial_mode": False,
    }
    production = {
        "registry_path": "/secure/data/adapter_registry.db",
        "max_cache_size": 3,
        "max_memory_mb": 12288,
        "memory_optimization": MemoryOptimizationLevel.MEDICAL_STRICT,
        "auto_rollback_enabled": True,
        "health_check_interval": 10,
        "emergency_swap_timeout": 30.0,
        "require_medical_validation": True,
        "hipaa_compliance_required": True,
        "enable_metrics": True,
        "metrics_storage_path": "/secure/data/metrics.db",
    }
    for options in (advanced, production):
        config = clinic.run(nothing, **options).config
        assert {name: getattr(config, name) for name in options} == options


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_cache_size": 0}, {"max_memory_mb": -1}, {"max_concurrent_loads": 1.5},
        {"max_concurrent_swaps": True}, {"monitoring_interval": 0}, {"health_check_interval": "9"},
        {"emergency_swap_timeout": -60.0}, {"base_model_id": " "}, {"base_model_path": 7},
        {"enable_gpu_optimization": "no"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_values_without_a_meaning_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationRefused, match=next(iter(wrong))):
        SystemConfiguration(**{"base_model_id": "a", **wrong})


def test_no_more_is_loaded_than_the_cache_may_hold_M117(clinic: Clinic) -> None:
    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "one", "v1")
        await clinic.added(lifecycle, "two", "v1")
        await clinic.loaded(lifecycle, "one")
        with pytest.raises(LifecycleBusy, match="max_cache_size=1: 1 versions are loaded"):
            await lifecycle.load_adapter("two")
        await clinic.loaded(lifecycle, "one")
        assert await lifecycle.unload_adapter("one")
        await clinic.loaded(lifecycle, "two")

    clinic.run(story, max_cache_size=1)


def test_no_more_is_loaded_than_the_nodes_have_memory_for_M118(clinic: Clinic) -> None:
    node: Node = clinic.desk.nodes[0]

    def tell(megabytes: int) -> None:
        node.refresh_from_db()
        node.status["memory_bytes"] = megabytes * 1024**2
        node.save(update_fields=["status"])

    async def story(lifecycle: LifecycleManager) -> None:
        await clinic.added(lifecycle, "one", "v1")
        await in_thread(tell, 8192)
        with pytest.raises(LifecycleBusy, match=r"max_memory_mb=8192: .* use 8192 MB"):
            await lifecycle.load_adapter("one")
        await in_thread(tell, 8000)
        await clinic.loaded(lifecycle, "one")

    clinic.run(story, max_memory_mb=8192)


def test_gpus_are_the_nodes_own_choice_M119(clinic: Clinic) -> None:
    clinic.run(nothing, enable_gpu_optimization=False)
    node = clinic.desk.nodes[0]
    node.status["device"] = "cuda:0"
    node.save(update_fields=["status"])
    clinic.run(nothing)
    with pytest.raises(ConfigurationRefused, match=f"{node.name} computes on cuda:0"):
        clinic.run(nothing, enable_gpu_optimization=False)


def test_as_many_loads_at_once_as_are_configured_M120(clinic: Clinic) -> None:
    names = ["one", "two", "three"]

    def registered() -> int:
        return Deployment.objects.filter(public_name__in=names).count()

    async def story(lifecycle: LifecycleManager) -> int:
        for name in names:
            await clinic.added(lifecycle, name, "v1")
        loads = [asyncio.ensure_future(lifecycle.load_adapter(name)) for name in names]
        most = 0
        while not all(load.done() for load in loads):
            begun, done = await in_thread(registered), sum(load.done() for load in loads)
            assert begun <= 2 + done
            most = max(most, begun - done)
            if begun == min(3, 2 + done):
                # Only now, so that whoever may begin has begun.
                await in_thread(clinic.advance)
            await asyncio.wait(loads, timeout=0.01)
        for load in loads:
            await load
        return most

    assert clinic.run(story, max_concurrent_loads=2) == 2
    assert registered() == 3


def test_as_many_swaps_at_once_as_are_configured_M121(clinic: Clinic) -> None:
    desk = clinic.desk
    first = desk.version()
    names = [desk.live(first).public_name for _ in range(2)]
    second, third = desk.version(), desk.version()

    async def swap(lifecycle: LifecycleManager, name: str, to: Any) -> str:
        return await lifecycle.hot_swap_adapters(
            desk.adapter.ref, first.version_name, desk.adapter.ref, to.version_name,
            SwapStrategy.CANARY, deployment=name,
        )  # fmt: skip

    async def story(lifecycle: LifecycleManager) -> None:
        assert await swap(lifecycle, names[0], second)
        with pytest.raises(LifecycleBusy, match="max_concurrent_swaps=1: 1 are under way"):
            await swap(lifecycle, names[1], third)
        assert await lifecycle.rollback_adapter(desk.adapter.ref, "enough", deployment=names[0])
        await in_thread(clinic.advance)
        for _ in range(10):
            await in_thread(clinic.advance)
        assert await swap(lifecycle, names[1], third)

    clinic.run(story, max_concurrent_swaps=1)


def test_an_emergency_that_takes_too_long_is_told_M127(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment = desk.live(desk.version(), desk.version())
    Node.objects.update(boot_id="another")

    async def story(lifecycle: LifecycleManager) -> None:
        with pytest.raises(LifecycleOverdue, match=r"has not ended within 0\.3 s"):
            await lifecycle.emergency_rollback(desk.adapter.ref, "wrong answers")

    clinic.run(story, emergency_swap_timeout=0.3)
    rollout = deployment.rollouts.order_by("-pk")[0]
    assert (rollout.strategy, rollout.trigger) == ("rollback", "emergency")


def test_a_person_is_named_by_argument_or_setting(clinic: Clinic, settings: Any) -> None:
    settings.LIFECYCLE_USER = ""
    with pytest.raises(Forbidden, match="Nobody is named"):
        create(clinic.config())
    settings.LIFECYCLE_USER = clinic.user.username
    create(clinic.config())
    with pytest.raises(NotFound, match="no account 'nobody'"):
        create(clinic.config(), "nobody")
    closed = accounts.engineer()
    closed.is_active = False
    closed.save(update_fields=["is_active"])
    with pytest.raises(Forbidden, match="closed"):
        create(clinic.config(), closed)


def test_a_cleanup_ends_what_was_used_least_recently_first_M68_M74_M115_M170(
    clinic: Clinic,
) -> None:
    numbers = itertools.count()

    def answer(name: str) -> None:
        row = Deployment.objects.get(public_name=name)
        digest = clinic.version(name, "v1").digest
        Answer.objects.create(answer_id=f"{name}{next(numbers)}", deployment=row, digest=digest)

    async def story(lifecycle: LifecycleManager) -> Any:
        for name in ("one", "two", "three"):
            await clinic.added(lifecycle, name, "v1")
            await clinic.loaded(lifecycle, name)
        for name in ("two", "three", "one"):
            await in_thread(answer, name)
        monitor = lifecycle.manager.memory_monitor
        assert (await monitor.cleanup_memory()).ended == ()
        return await monitor.cleanup_memory(aggressive=True)

    done = clinic.run(story, max_cache_size=3)
    assert done.ended == ("two",)
    assert done.rss_mb > 10

    async def again(lifecycle: LifecycleManager) -> Any:
        return await lifecycle.manager.memory_monitor.cleanup_memory(aggressive=True)

    with clock.frozen_at(clock.now() + timedelta(seconds=6)):
        assert clinic.run(again, max_cache_size=3).ended == (), "there is room for one now"
    # By now no gateway routes to it.
    states = Replica.objects.order_by("pk").values_list("version__adapter__slug", "state")
    assert dict(states) == {"one": "ready", "two": "unloading", "three": "ready"}
    for name in ("one", "one", "three"):
        answer(name)
    rarely = clinic.run(again, max_cache_size=2, cache_strategy=CacheStrategy.LFU)
    assert rarely.ended == ("three",), "used last, and less often"
    assert Deployment.objects.get(is_enabled=True).public_name == "one"


def test_a_manager_sees_its_own_base_alone(clinic: Clinic) -> None:
    other: BaseModel = make.base_model(slug="otherbase", seed=7)
    make.adapter(slug="elsewhere", base=other)

    async def story(lifecycle: LifecycleManager) -> Any:
        with pytest.raises(MetadataInvalid, match="is made for otherbase"):
            await lifecycle.registry.get("elsewhere")
        return await lifecycle.registry.list()

    assert [row.ref for row in clinic.run(story)] == [clinic.desk.adapter.ref]
