"""What a node tells Prometheus of itself: slots, answers in flight, how long swaps take."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from serving.metrics.labels import BoundedNames

if TYPE_CHECKING:
    from serving.node.state import Node

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SWAP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
MAX_FINISHES = 40


class NodeMetrics:
    """Counters of one node; labels come from our own tables, never from a request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._finishes = BoundedNames(MAX_FINISHES)
        self._swaps = Histogram(
            "formulary_node_swap_seconds",
            "Verifying and loading an adapter while the node answers",
            buckets=SWAP_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "formulary_node_answers", "Answers by their end", ("finish",), registry=self.registry
        )
        self._tokens = Counter("formulary_node_tokens", "Tokens written", registry=self.registry)
        self._beside = Histogram(
            "formulary_node_batch",
            "Answers in flight when one begins, itself included",
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )

    def swapped(self, seconds: float) -> None:
        """An adapter was loaded."""
        self._swaps.observe(seconds)

    def begun(self, in_flight: int) -> None:
        """An answer began beside others."""
        self._beside.observe(in_flight)

    def ended(self, finish: str, tokens: int) -> None:
        """An answer ended."""
        self._answers.labels(self._finishes.of(finish)).inc()
        self._tokens.inc(tokens)


class _State(Collector):
    def __init__(self, node: "Node") -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """What the node holds now."""
        node = self._node
        slots, taken = node.engine.capabilities().slots, len(node.engine.loaded())
        yield GaugeMetricFamily("formulary_node_slots", "Room for adapters", slots)
        yield GaugeMetricFamily("formulary_node_slots_taken", "Adapters that are loaded", taken)
        yield GaugeMetricFamily(
            "formulary_node_answers_running", "Answers in flight", len(node.answers)
        )
        yield GaugeMetricFamily(
            "formulary_node_healthy", "1 while the model's thread lives", int(node.engine.health())
        )
        yield GaugeMetricFamily(
            "formulary_node_stops_epoch", "The set of stops that it has", node.stops.epoch
        )


def exposition(node: "Node") -> bytes:
    """The text of a scrape."""
    state = CollectorRegistry()
    state.register(_State(node))
    return generate_latest(state) + generate_latest(node.metrics.registry)
