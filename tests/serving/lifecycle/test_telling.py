"""Numbers, validation, health, events and the log: what the façade tells."""

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from compliance.services import audit, stops
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Invalid
from registry.models import Version
from serving.lifecycle import LifecycleManager
from serving.lifecycle.acting import in_thread
from serving.lifecycle.enums import EventType
from serving.lifecycle.news import Trail
from serving.models import Answer, Node, Replica, Rollout
from serving.services import rollouts
from serving.states import FailureKind
from tests.factories import registry as make
from tests.factories.serving import add_answers
from tests.factories.trials import undecided
from tests.serving.lifecycle.conftest import Clinic


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


def test_handlers_hear_of_swaps_and_of_failing_health_M131_M132_M133(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
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
    # What a handler's error says is never repeated: it may be about patients.
    (failed,) = [row for row in caplog.records if "lifecycle.handler_failed" in str(row.msg)]
    assert "RuntimeError" in str(failed.msg)
    assert swap["swap_id"] not in caplog.text and failed.exc_info is None
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


def test_what_happened_long_before_a_look_is_told_then_and_once(clinic: Clinic) -> None:
    desk = clinic.desk
    deployment, second = desk.live(desk.version()), desk.version()
    trail = Trail(desk.base)
    desk.start(deployment, second)
    with clock.frozen_at(clock.now() + timedelta(minutes=10)):
        assert [kind for kind, _ in trail.look()] == [EventType.SWAP_STARTED]
        assert trail.look() == []


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
