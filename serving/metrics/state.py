"""Gauges read from the state of the house at each scrape; the same in every web process."""

import platform
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.core import clock
from serving.domain.alert_rules import BY_NAME, seconds_left
from serving.domain.facts import BrokerFacts, Facts
from serving.domain.health import Status
from serving.health.measuring import DatabaseFacts, Measured
from serving.metrics.labels import MAX_NAMES, OTHER
from serving.states import RolloutState

Rows = Iterable[tuple[Sequence[str], float]]


class StateCollector(Collector):
    """What was measured a moment ago, as gauges."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """All gauges; those that need what did not answer are left out."""
        yield _gauge(
            "build_info", "The product that runs", ["version", "python"],
            [((settings.APP_VERSION, platform.python_version()), 1)],
        )  # fmt: skip
        parts = self._measured.components
        yield _gauge(
            "component_up", "1 while a part is in order, 0.5 degraded, 0 not", ["component"],
            [((name,), _LEVELS[part.status]) for name, part in parts.items()],
        )  # fmt: skip
        yield _gauge(
            "component_latency_seconds", "How long a part took to answer", ["component"],
            [
                ((name,), part.latency_ms / 1000)
                for name, part in parts.items()
                if part.latency_ms is not None
            ],
        )  # fmt: skip
        if self._measured.broker is not None:
            yield from _of_broker(self._measured.broker)
        if self._measured.database is not None:
            yield from _of_database(self._measured.database)


_LEVELS: Mapping[Status, float] = {
    Status.HEALTHY: 1.0,
    Status.OFF: 1.0,
    Status.DEGRADED: 0.5,
    Status.UNHEALTHY: 0.0,
}


def _gauge(name: str, said: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"formulary_{name}", said, labels=labels)
    for values, number in rows:
        family.add_metric(list(values), number)
    return family


def bounded(rows: Iterable[tuple[str, float]]) -> Rows:
    """The first names in order; what is beyond them is added up as ``other``."""
    listed = sorted(rows)
    kept: list[tuple[Sequence[str], float]] = [((n,), v) for n, v in listed[:MAX_NAMES]]
    if beyond := listed[MAX_NAMES:]:
        kept.append(((OTHER,), sum(number for _, number in beyond)))
    return kept


def _of_broker(facts: BrokerFacts) -> Iterator[Metric]:
    yield _gauge(
        "queue_length",
        "Tasks that wait",
        ["queue"],
        bounded((q, n) for q, n in facts.queues.items()),
    )
    yield _gauge(
        "worker_silent_seconds", "Since a worker or beat was last heard", ["worker"],
        bounded(facts.ages_seconds.items()),
    )  # fmt: skip


def _of_database(told: DatabaseFacts) -> Iterator[Metric]:
    facts = told.facts
    yield from _of_rooms(told)
    yield from _of_nodes(facts)
    yield from _of_audit(facts)
    left = [seconds_left(lease, facts.at) for lease in facts.leases]
    yield _gauge("leases", "Open leases to serve", [], [((), len(left))])
    yield _gauge(
        "lease_least_left_seconds", "Until the first lease ends", [],
        [((), min(left))] if left else [],
    )  # fmt: skip
    if told.heartbeat is not None:
        age = (clock.now() - told.heartbeat.at).total_seconds()
        yield _gauge("control_silent_seconds", "Since the control loop was heard", [], [((), age)])
    tally = Tally(row.rule for row in told.alerts)
    yield _gauge(
        "alerts_open", "Alerts that are open", ["rule", "severity"],
        [((name, rule.severity), tally.get(name, 0)) for name, rule in BY_NAME.items()],
    )  # fmt: skip


def _of_rooms(told: DatabaseFacts) -> Iterator[Metric]:
    yield _gauge(
        "rollouts", "Rollouts by state", ["state"],
        [((str(state),), told.rollouts.get(state, 0)) for state in RolloutState],
    )  # fmt: skip
    yield _gauge(
        "trainings", "Training runs by state", ["state"],
        [((state,), count) for state, count in told.trainings.items()],
    )  # fmt: skip
    yield _gauge(
        "training_silent_seconds", "Since the most silent trainer at work was heard", [],
        [((), told.training_silent_seconds)],
    )  # fmt: skip
    unsigned = told.records_unsigned
    yield _gauge("records_unsigned", "Records that wait for signatures", [], [((), unsigned)])
    yield _gauge("stops_open", "Digests stopped everywhere", [], [((), told.stops_open)])


def _of_nodes(facts: Facts) -> Iterator[Metric]:
    drifts = Tally(row.node for row in facts.drifts)
    for name, said, read in (
        ("node_up", "1 while a node answers", lambda node: float(node.is_seen)),
        ("node_slots", "Room for adapters", lambda node: node.slots),
        ("node_slots_taken", "Adapters that are loaded", lambda node: node.slots_taken),
        ("node_memory_bytes", "Memory as the node tells", lambda node: node.memory_bytes),
        ("node_stops_epoch", "The set of stops that it has", lambda node: node.stops_epoch_seen),
        ("node_drift", "Versions wanted and not proven, or not wanted and there",
         lambda node: drifts.get(node.name, 0)),
    ):  # fmt: skip
        rows = ((node.name, read(node)) for node in facts.nodes)
        yield _gauge(name, said, ["node"], bounded(rows))
    yield _gauge("stops_epoch", "The newest set of stops", [], [((), facts.stops_epoch)])


def _of_audit(facts: Facts) -> Iterator[Metric]:
    oldest = facts.oldest_unsealed_at
    age = (facts.at - oldest).total_seconds() if oldest is not None else 0.0
    yield _gauge("audit_unsealed", "Events not sealed yet", [], [((), facts.unsealed_count)])
    yield _gauge("audit_oldest_unsealed_seconds", "Age of the oldest", [], [((), age)])
