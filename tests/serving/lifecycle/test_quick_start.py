"""The document's quick start against a real node, a real gateway and the REST interface."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connections

from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.asgi import Application, _django
from registry.models import Version
from serving.errors import LastReplica
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.lifecycle import (
    AdapterType,
    AdapterVersion,
    LifecycleManager,
    SwapStrategy,
    SystemConfiguration,
    create_adapter_metadata,
    create_lifecycle_manager,
)
from serving.lifecycle.acting import in_thread
from serving.models import Deployment, Replica, Rollout
from serving.services import rollouts
from tests.factories import accounts
from tests.factories import compliance as judge
from tests.factories import gateway as servers
from tests.factories import registry as make
from tests.factories.serving import RIGHT, House
from tests.factories.trials import undecided
from tests.serving.lifecycle.conftest import LABEL, meanwhile

FAST = Limits(poll_seconds=0.02, reread_seconds=0.2)


def package(house: House, folder: Path, *, seed: int) -> Path:
    """A PEFT adapter that scripts the memory engine."""
    folder.mkdir()
    files = make.package(rank=4, seed=seed, base_name=house.base.slug, lora_alpha=8)
    for path, data in {**files, "answers.json": json.dumps(RIGHT).encode()}.items():
        (folder / path).write_bytes(data)
    return folder


def approve(house: House, slug: str, on: Any) -> Version:
    """What people and workers do between a submission and a permission."""
    row = Version.objects.get(adapter__slug=slug)
    judge.evaluated(row, on=on)
    house.permit(row)
    return row


def ask(program: httpx.Client, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "a note: urgent"}]}
    return program.post("/v1/chat/completions", json=body)


def promote(house: House, swap_id: str) -> None:
    """Loaded, evaluated, tried; then a person promotes what the analysis did not decide."""
    rollout = Rollout.objects.get(uuid=swap_id)
    house.settle(until=lambda: weight_of(rollout) > 0)
    undecided(rollout)
    by = {"user": house.operator, "actor": actor_of(house.operator), "reason": "good"}
    rollouts.promote(rollout=rollout, **by)


def weight_of(rollout: Rollout) -> int:
    rollout.refresh_from_db()
    return rollout.weight_percent


def test_the_quick_start_runs_and_clients_are_answered_by_its_versions_M1_M2_M67_M91(
    house: House, tmp_path: Path
) -> None:
    user = accounts.user(Role.ML_ENGINEER)
    on = house.evaluation_set(given=judge.items(120))
    heard: list[dict[str, Any]] = []
    loads: list[dict[str, Any]] = []

    async def main(program: httpx.Client) -> None:
        config = SystemConfiguration(
            base_model_id=house.base.slug,
            enable_medical_compliance=True,
            max_memory_mb=1_000_000,
            auto_rollback_enabled=True,
            monitoring_interval=600,
            health_check_interval=600,
        )
        lifecycle = await create_lifecycle_manager(config, user=user.username)
        try:
            await story(lifecycle, program)
        finally:
            await lifecycle.shutdown()
            await in_thread(connections.close_all)

    async def story(lifecycle: LifecycleManager, program: httpx.Client) -> None:
        news = asyncio.Event()

        def hear(event_data: dict[str, Any]) -> None:
            heard.append(event_data)
            news.set()

        lifecycle.add_event_handler("swap_completed", hear)
        unloaded = asyncio.Queue[dict[str, Any]]()
        lifecycle.add_event_handler("adapter_loaded", loads.append)
        lifecycle.add_event_handler("adapter_unloaded", unloaded.put)
        versions: list[Version] = []
        for number, (adapter_id, version_id) in enumerate(
            [("old_diagnosis_v1", "v1.0.0"), ("medical_diagnosis_v1", "v2.0.0")]
        ):
            metadata = create_adapter_metadata(
                adapter_id=adapter_id,
                name="Medical Diagnosis Assistant",
                description="LoRA adapter for medical diagnosis",
                adapter_type=AdapterType.MEDICAL_LORA,
                medical_domain="diagnostic_medicine",
                clinical_use_case="differential_diagnosis",
                safety_class="A",
            )
            await lifecycle.register_adapter(metadata)
            folder = await in_thread(package, house, tmp_path / adapter_id, seed=7700 + number)
            await lifecycle.registry.add_version(
                adapter_id,
                AdapterVersion(version_id=version_id, adapter_type=AdapterType.MEDICAL_LORA),
                folder,
                label=LABEL,
            )
            slug = adapter_id.replace("_", "-")
            versions.append(await in_thread(approve, house, slug, on))
        old, new = versions

        instance = await meanwhile(lifecycle.load_adapter("old_diagnosis_v1"), house.look)
        assert f"Loaded adapter: {instance.adapter_id}" == "Loaded adapter: old_diagnosis_v1"
        assert instance.nodes == (house.node.name,)
        assert house.node.loaded() == {old.runtime_name}
        await in_thread(house.load)
        answer = await answered(program, instance.name, old)
        assert answer.json()["choices"][0]["message"]["content"] == "urgent"

        swap_id = await lifecycle.hot_swap_adapters(
            from_adapter_id="old_diagnosis_v1",
            from_version_id="v1.0.0",
            to_adapter_id="medical_diagnosis_v1",
            to_version_id="v2.0.0",
            strategy=SwapStrategy.CANARY,
        )
        seen = await asyncio.to_thread(program.get, f"/api/v1/rollouts/{swap_id}")
        assert (seen.status_code, seen.json()["state"]) == (200, "running"), seen.text
        assert seen.json()["strategy"] == "canary"
        news.clear()
        await in_thread(promote, house, swap_id)
        status = await lifecycle.hot_swap.get_operation_status(swap_id)
        assert (status["status"], status["progress_percentage"]) == ("completed", 100.0), status
        # The interval is ten minutes: what this process does is heard of at once.
        await asyncio.wait_for(news.wait(), 20)
        await in_thread(house.load)
        await answered(program, "old_diagnosis_v1", new)

        with pytest.raises(LastReplica):
            await lifecycle.reload_adapter("medical_diagnosis_v1")
        before = await in_thread(Replica.objects.get, version=new)
        again = await meanwhile(
            lifecycle.reload_adapter("medical_diagnosis_v1", force=True), house.look
        )
        after = await in_thread(Replica.objects.get, version=new)
        assert (again.version_id, again.nodes) == ("v2.0.0", (house.node.name,))
        assert after.attempts == before.attempts + 1
        assert before.proven_at is not None and after.proven_at is not None
        assert after.proven_at > before.proven_at

        # Plain functions work in a coroutine too.
        performance = lifecycle.metrics.get_adapter_performance("medical_diagnosis_v1")
        speed = performance["performance_metrics"]
        assert speed["total_loads"] == 2
        assert speed["min_load_time_ms"] <= speed["avg_load_time_ms"] <= speed["max_load_time_ms"]
        assert performance["usage_statistics"]["success_rate"] == 1.0
        exported = lifecycle.metrics.export_metrics(
            adapter_id="medical_diagnosis_v1", start_time=time.time() - 86400, format="json"
        )
        assert len(json.loads(exported)["loads"]) == 2
        checked = lifecycle.validator.validate_adapter(
            adapter_path=str(tmp_path / "medical_diagnosis_v1"),
            base_model_id=lifecycle.config.base_model_id,
            adapter_id="medical_diagnosis_v1",
        )
        assert [issue.message for issue in checked.issues if issue.severity == "error"] == []

        system = await lifecycle.get_system_status()
        health = await lifecycle.health_check()
        assert system["state"] in {"ready", "degraded", "error"}
        assert health["overall_health"] == system["system_health"]
        assert system["active_adapters"] >= 1
        for component, part in health["components"].items():
            assert component and part["status"]

        assert await lifecycle.unload_adapter("medical_diagnosis_v1", force=True) is True
        await in_thread(house.look)
        assert new.runtime_name not in house.node.loaded()
        for _ in range(2):  # for the reload, and for good
            gone = await asyncio.wait_for(unloaded.get(), 20)
            assert (gone["adapter_id"], gone["node"]) == ("medical_diagnosis_v1", house.node.name)

    async def answered(program: httpx.Client, model: str, by: Version) -> httpx.Response:
        def look() -> httpx.Response | None:
            answer = ask(program, model)
            is_by = answer.headers.get("x-formulary-version") == by.runtime_name
            return answer if answer.status_code == 200 and is_by else None

        return await asyncio.to_thread(lambda: servers.until(look))

    app = Application(_django, Gateway(FAST))  # type: ignore[arg-type]
    with servers.served(app) as url, httpx.Client(base_url=url, timeout=20) as program:
        program.headers["Authorization"] = f"Bearer {accounts.token_text(user)}"
        # As in a shell: the services then have a thread of their own.
        asyncio.run(main(program))
    assert [event["from_adapter"] for event in heard] == ["old_diagnosis_v1:v1.0.0"]
    assert heard[0]["to_adapter"] == "medical_diagnosis_v1:v2.0.0"
    assert not Deployment.objects.get(public_name="old_diagnosis_v1").is_enabled
    assert [(event["adapter_id"], event["version_id"]) for event in loads] == [
        ("old_diagnosis_v1", "v1.0.0"),
        ("medical_diagnosis_v1", "v2.0.0"),
        ("medical_diagnosis_v1", "v2.0.0"),
    ]
