"""From what was measured to the state of each part, in plain words."""

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.core import clock
from serving.domain.alert_rules import BACKLOG_MESSAGES, BEAT, CONTROL_SILENT, SEAL_WITHIN
from serving.domain.errands import (
    DELIVERIES,
    TRAINING,
    WORKER_SILENT_SECONDS,
    late,
    needs_trainer,
    served_queues,
)
from serving.domain.facts import BrokerFacts, Facts, NodeFact, WorkFact
from serving.domain.health import Component, Status
from serving.models import Heartbeat

_UNKNOWN = "can't be told without the database"
_UNHEARD = "can't be told without Redis"


def rss_bytes() -> int:
    """Resident memory of this process (Linux); 0 where it can't be read."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def manager(*, is_control_away: bool) -> Component:
    """This process: web and gateway."""
    return Component(
        name="manager",
        status=Status.DEGRADED if is_control_away else Status.HEALTHY,
        detail="answers from its last routing snapshot" if is_control_away else "answers",
    )


def broker_parts(
    *,
    is_configured: bool,
    fault: str,
    latency_ms: float | None,
    facts: BrokerFacts | None,
    nodes: Sequence[NodeFact],
    work: WorkFact,
) -> Iterator[Component]:
    """Redis, its queues, the workers, the trainer, the courier and beat."""
    names = ("redis", "queues", "workers", "trainer", "courier", "beat")
    if not is_configured:
        for name in names:
            yield Component(name=name, status=Status.OFF, detail="no broker is configured")
        return
    if fault or facts is None:
        yield Component(name="redis", status=Status.UNHEALTHY, detail=fault or "no answer")
        for name in names[1:]:
            yield Component(name=name, status=Status.DEGRADED, detail=_UNHEARD)
        return
    yield Component(name="redis", status=Status.HEALTHY, detail="answers", latency_ms=latency_ms)
    yield _queues(facts)
    yield _workers(facts, nodes)
    yield _trainer(facts, work)
    yield _courier(facts, work)
    yield _beat(facts)


def _queues(facts: BrokerFacts) -> Component:
    long = [name for name, length in facts.queues.items() if length >= BACKLOG_MESSAGES]
    said = f"{sum(facts.queues.values())} tasks wait"
    return Component(
        name="queues",
        status=Status.DEGRADED if long else Status.HEALTHY,
        detail=f"{said}; long: {', '.join(long)}" if long else said,
    )


def _workers(facts: BrokerFacts, nodes: Sequence[NodeFact]) -> Component:
    needed = {*facts.queues, *(f"node.{node.name}" for node in nodes)} - {TRAINING, DELIVERIES}
    missing = sorted(needed - served_queues(facts))
    alive = sum(
        facts.ages_seconds.get(name, 0.0) <= WORKER_SILENT_SECONDS for name in facts.workers
    )
    if missing:
        detail = f"nobody takes {', '.join(missing)}"
    else:
        detail = f"{alive} {'lives' if alive == 1 else 'live'}, every queue is taken"
    return Component(
        name="workers", status=Status.DEGRADED if missing else Status.HEALTHY, detail=detail
    )


def _trainer(facts: BrokerFacts, work: WorkFact) -> Component:
    said = f"{work.trainings_running} under way, {work.trainings_waiting} waiting"
    if TRAINING in served_queues(facts):
        return _errand("trainer", TRAINING, work, f"it lives; {said}")
    if not needs_trainer(facts, work):
        said = "none runs, and no training is asked for"
        return Component(name="trainer", status=Status.OFF, detail=said)
    said = f"none runs; {said}. Start the trainer: it goes on from the last checkpoint"
    return Component(name="trainer", status=Status.DEGRADED, detail=said)


def _courier(facts: BrokerFacts, work: WorkFact) -> Component:
    if DELIVERIES in served_queues(facts):
        return _errand("courier", DELIVERIES, work, "it lives")
    said = "none runs. Start the courier: what is due stands in the database"
    return Component(name="courier", status=Status.DEGRADED, detail=said)


def _errand(name: str, queue: str, work: WorkFact, said: str) -> Component:
    for found in late(work, clock.now()):
        if found.queue == queue:
            detail = f"{found.message} Read its log and start the {name} again"
            return Component(name=name, status=Status.DEGRADED, detail=detail)
    return Component(name=name, status=Status.HEALTHY, detail=said)


def _beat(facts: BrokerFacts) -> Component:
    age = facts.ages_seconds.get(BEAT)
    if age is None:
        return Component(name="beat", status=Status.DEGRADED, detail="it has not been heard of")
    is_silent = age > WORKER_SILENT_SECONDS
    return Component(
        name="beat",
        status=Status.DEGRADED if is_silent else Status.HEALTHY,
        detail=f"heard {age:.0f} s ago",
    )


def database_parts(facts: Facts | None, heartbeat: Heartbeat | None) -> Iterator[Component]:
    """The control loop, the sealer and the nodes, as the database tells."""
    if facts is None:
        for name in ("control", "sealer", "nodes"):
            yield Component(name=name, status=Status.DEGRADED, detail=_UNKNOWN)
        return
    yield _control(heartbeat)
    yield _sealer(facts)
    yield _nodes(facts.nodes)


def _control(heartbeat: Heartbeat | None) -> Component:
    if heartbeat is None:
        return Component(name="control", status=Status.UNHEALTHY, detail="it has never run")
    age = clock.now() - heartbeat.at
    is_silent = age > CONTROL_SILENT
    return Component(
        name="control",
        status=Status.UNHEALTHY if is_silent else Status.HEALTHY,
        detail=f"heard {max(0.0, age.total_seconds()):.0f} s ago",
    )


def _sealer(facts: Facts) -> Component:
    if facts.oldest_unsealed_at is None:
        return Component(name="sealer", status=Status.HEALTHY, detail="every event is sealed")
    age = facts.at - facts.oldest_unsealed_at
    return Component(
        name="sealer",
        status=Status.UNHEALTHY if age > SEAL_WITHIN else Status.HEALTHY,
        detail=f"{facts.unsealed_count} unsealed, the oldest for {age.total_seconds():.0f} s",
    )


def _nodes(nodes: Sequence[NodeFact]) -> Component:
    seen = sum(node.is_seen for node in nodes)
    if not nodes:
        return Component(name="nodes", status=Status.OFF, detail="none is registered")
    status = Status.HEALTHY if seen == len(nodes) else Status.DEGRADED
    return Component(
        name="nodes",
        status=status if seen else Status.UNHEALTHY,
        detail=f"{seen} of {len(nodes)} answer",
    )
