"""Deliveries and entries for Prometheus, read at each scrape: sums, and what came since."""

from collections.abc import Iterator, Mapping

from django.db import connection
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from deliveries.selectors.tallies import (
    LATENCY_BUCKETS_SECONDS,
    DeliveryTally,
    delivery_tallies,
    entry_counts,
)
from deliveries.states import Mode
from serving.health.measuring import ANSWER_SECONDS
from serving.health.probes import Probe

Told = tuple[tuple[int, int], Mapping[Mode, DeliveryTally]]


def _ask() -> Told:
    try:
        return entry_counts(), delivery_tallies()
    finally:
        connection.close()


# In a thread of its own, given up after a while: a database that hangs holds no scrape up.
PROBE: Probe[Told] = Probe("deliveries", _ask)


class DeliveriesCollector(Collector):
    """The same numbers in every web process: jobs are never deleted, so counters only grow.

    The label ``mode`` has one value for each channel.
    """

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Entries, jobs taken in and ended, and how long they took; nothing where none is told."""
        run = PROBE.start()
        if not run.ended.wait(ANSWER_SECONDS) or run.value is None:
            return
        (count, active), tallies = run.value
        yield GaugeMetricFamily("formulary_adapters_count", "Entries of the LoRA manager", count)
        yield GaugeMetricFamily(
            "formulary_adapters_active_count", "Entries in the prompt set", active
        )
        enqueued = CounterMetricFamily(
            "formulary_deliveries_enqueued", "Deliveries taken in", labels=["mode"]
        )
        failed = CounterMetricFamily(
            "formulary_deliveries_failed", "Deliveries given up", labels=["mode"]
        )
        latency = HistogramMetricFamily(
            "formulary_deliveries_latency_seconds",
            "From being taken in to the end, retries included",
            labels=["mode"],
        )
        for mode, tally in tallies.items():
            enqueued.add_metric([mode], tally.enqueued)
            failed.add_metric([mode], tally.failed)
            bounds = [str(seconds) for seconds in LATENCY_BUCKETS_SECONDS]
            buckets = list(zip(bounds, map(float, tally.within), strict=True))
            latency.add_metric(
                [mode],
                [*buckets, ("+Inf", float(tally.ended))],
                tally.latency_sum_seconds,
            )
        yield from (enqueued, failed, latency)
