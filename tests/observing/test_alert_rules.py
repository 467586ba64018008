"""Each rule of the table fires where it should, falls silent beside it, and names a runbook."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.core.digests import sha256_hex
from serving.domain.alert_rules import BEAT, RULES, judged
from serving.domain.facts import (
    BrokerFacts,
    DriftFact,
    Facts,
    LeaseFact,
    NodeFact,
    RecheckFact,
    RolloutFact,
    WorkFact,
)
from tests.architecture.environment import ROOT

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _ago(**size: float) -> datetime:
    return NOW - timedelta(**size)


ROLLOUT = RolloutFact(
    uuid="r1",
    version="triage@abc",
    deployment="triage",
    state="running",
    paused_reason="",
    step="load",
    step_detail="",
    moved_at=_ago(minutes=1),
)
NODE = NodeFact(
    name="node-1",
    is_seen=True,
    last_seen_at=_ago(seconds=1),
    registered_at=_ago(days=1),
    last_error="",
    stops_epoch_seen=4,
    slots=8,
    slots_taken=1,
    memory_bytes=1,
)
DRIFT = DriftFact(
    node="node-1",
    version="triage@abc",
    is_wanted=True,
    state="loading",
    failures_count=0,
    error="",
    changed_at=_ago(seconds=30),
)
LEASE = LeaseFact(
    version="triage@abc", digest=sha256_hex(b"x"), ttl_seconds=60, renewed_at=_ago(seconds=20)
)
BROKER = BrokerFacts(
    queues={"control": 3, "node.node-1": 0},
    ages_seconds={"rollouts@h": 1.0, "agent@h": 2.0, BEAT: 1.0},
    workers={"rollouts@h": ("control",), "agent@h": ("node.node-1",)},
)
CALM = Facts(
    at=NOW,
    rollouts=(ROLLOUT,),
    nodes=(NODE,),
    drifts=(DRIFT,),
    leases=(LEASE,),
    unsealed_count=2,
    oldest_unsealed_at=_ago(seconds=2),
    stops_epoch=4,
    stops_changed_at=_ago(hours=1),
    broker=BROKER,
)
# Rule → facts under which it, and nothing else, is heard.
LOUD = {
    "serving_held": {"held_since": _ago(minutes=5)},
    "stop_list_unwritable": {"stop_list_fault": "Read-only file system"},
    "trail_rewritten": {"trail_fault": "000000000621.txt was signed over another log"},
    "audit_not_clean": {"audit_fault": "permissions: no approval is in force"},
    "stops_behind": {"nodes": (replace(NODE, stops_epoch_seen=3),)},
    "audit_unsealed": {"oldest_unsealed_at": _ago(seconds=11)},
    "node_away": {"nodes": (replace(NODE, is_seen=False, last_seen_at=_ago(minutes=2)),)},
    "lease_ending": {"leases": (replace(LEASE, renewed_at=_ago(seconds=41)),)},
    "recheck_failed": {"rechecks": (RecheckFact(version="v", fault="Blocked.", at=NOW),)},
    "rollout_stuck": {"rollouts": (replace(ROLLOUT, moved_at=_ago(minutes=16)),)},
    "broker_away": {"broker": BrokerFacts(fault="TimeoutError")},
    "worker_away": {"broker": replace(BROKER, workers={"rollouts@h": ("control",)})},
    "work_late": {
        "broker": replace(
            BROKER,
            queues={"deliveries": 0},
            ages_seconds={**BROKER.ages_seconds, "courier@h": 1.0},
            workers={"courier@h": ("deliveries",)},
        ),
        "work": WorkFact(delivery_due_since=_ago(minutes=3)),
    },
    "drift": {"drifts": (replace(DRIFT, changed_at=_ago(minutes=3)),)},
    "queue_backlog": {"broker": replace(BROKER, queues={"control": 200})},
    "rollout_paused": {"rollouts": (replace(ROLLOUT, state="paused"),)},
}


def test_calm_facts_are_silent() -> None:
    assert judged(CALM) == {}


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_a_rule_is_heard_alone(name: str) -> None:
    found = judged(replace(CALM, **LOUD[name]))
    assert [rule for rule, _ in found] == [name]
    (notice,) = found.values()
    assert notice.message.endswith((".", "!"))
    assert notice.since is None or notice.since <= NOW


@pytest.mark.parametrize(
    ("quiet", "why"),
    [
        ({"leases": (replace(LEASE, renewed_at=_ago(seconds=39)),)}, "a third is left"),
        ({"oldest_unsealed_at": _ago(seconds=10)}, "in time"),
        ({"stops_changed_at": _ago(seconds=5), "stops_epoch": 9}, "a stop of this moment"),
        (
            {"rollouts": (replace(ROLLOUT, step="analyse", moved_at=_ago(days=3)),)},
            "an analysis ends by its policy",
        ),
        ({"broker": None}, "no broker is configured"),
    ],
)
def test_beside_a_limit_a_rule_is_silent(quiet: dict[str, object], why: str) -> None:
    assert judged(replace(CALM, **quiet)) == {}, why


def test_a_node_that_is_away_does_not_also_drift() -> None:
    away = replace(NODE, is_seen=False)
    facts = replace(CALM, nodes=(away,), drifts=(replace(DRIFT, changed_at=_ago(hours=1)),))
    assert [rule for rule, _ in judged(facts)] == ["node_away"]


def test_three_failed_loads_are_drift_at_once_and_zombies_are_after_a_while() -> None:
    failed = replace(DRIFT, failures_count=3, state="failed", error="No slot is free.")
    (notice,) = judged(replace(CALM, drifts=(failed,))).values()
    assert "No slot is free." in notice.message
    zombie = replace(DRIFT, is_wanted=False, changed_at=_ago(minutes=9))
    assert judged(replace(CALM, drifts=(zombie,))) == {}
    zombie = replace(zombie, changed_at=_ago(minutes=11))
    assert [rule for rule, _ in judged(replace(CALM, drifts=(zombie,)))] == ["drift"]


def test_a_silent_worker_and_a_silent_beat_are_missed() -> None:
    silent = replace(BROKER, ages_seconds={"rollouts@h": 31.0, "agent@h": 1.0})
    found = judged(replace(CALM, broker=silent))
    assert set(found) == {("worker_away", "control"), ("worker_away", BEAT)}


def _training(*, is_served: bool, **work: Any) -> Facts:
    """A house that trains: with its trainer, or with one that was heard an hour ago."""
    broker = replace(
        BROKER,
        queues={**BROKER.queues, "training": 0},
        ages_seconds={**BROKER.ages_seconds, "trainer@h": 1.0 if is_served else 3600.0},
        workers={**BROKER.workers, "trainer@h": ("training",)},
    )
    return replace(CALM, broker=broker, work=WorkFact(**work))


def test_a_missing_trainer_is_missed_where_somebody_counts_on_it() -> None:
    nobody = replace(BROKER, queues={**BROKER.queues, "training": 0})
    assert judged(replace(CALM, broker=nobody)) == {}, "this house trains nothing"
    waiting = replace(CALM, broker=nobody, work=WorkFact(trainings_waiting=1))
    assert set(judged(waiting)) == {("worker_away", "training")}
    assert set(judged(_training(is_served=False))) == {("worker_away", "training")}
    assert judged(_training(is_served=True, trainings_waiting=1)) == {}


def test_a_trainer_that_begins_nothing_or_falls_silent_is_late() -> None:
    due = {"trainings_waiting": 2, "training_due_since": _ago(seconds=119)}
    assert judged(_training(is_served=True, **due)) == {}
    due["training_due_since"] = _ago(seconds=121)
    (notice,) = judged(_training(is_served=True, **due)).values()
    assert notice.message == "2 trainings wait, and the trainer has begun none."
    assert notice.since == _ago(seconds=121)
    left = _training(is_served=True, trainings_running=1, training_silent_since=_ago(minutes=3))
    (notice,) = judged(left).values()
    assert "nobody goes on with it" in notice.message


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_what_to_do_who_and_where_to_read(rule) -> None:
    assert rule.fix.endswith(".") and rule.who and rule.title
    page = ROOT / "docs" / "runbooks" / f"{rule.runbook}.md"
    assert page.is_file()
    assert len(page.read_text().split()) > 60
