"""Everything that one web process tells Prometheus, as text."""

import resource
import time

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from config.core import log_lines
from serving.health.judging import rss_bytes
from serving.health.measuring import Measured
from serving.metrics.above import FROM_ABOVE, collector
from serving.metrics.answers import ANSWERS
from serving.metrics.state import StateCollector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Process(Collector):
    """This process's own use."""

    def collect(self) -> "list[GaugeMetricFamily | CounterMetricFamily]":
        """Memory, processor time, and keys that the log left out."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return [
            GaugeMetricFamily(
                "formulary_web_memory_bytes", "Resident memory of this process", rss_bytes()
            ),
            CounterMetricFamily(
                "formulary_web_cpu_seconds",
                "Processor time of this process",
                used.ru_utime + used.ru_stime,
            ),
            CounterMetricFamily(
                "formulary_log_keys_dropped",
                "Keys that are not on the log's list and were left out",
                log_lines.dropped_keys(),
            ),
        ]


def exposition(measured: Measured) -> bytes:
    """The text of a scrape; ``formulary_scrape_seconds`` says how long making it took."""
    began = time.monotonic()
    state = CollectorRegistry()
    state.register(StateCollector(measured))
    state.register(_Process())
    if measured.database is not None:
        for path in FROM_ABOVE:
            state.register(collector(path))
    body = generate_latest(state) + generate_latest(ANSWERS.registry)
    return (
        body
        + (
            "# HELP formulary_scrape_seconds Making this text\n"
            "# TYPE formulary_scrape_seconds gauge\n"
            f"formulary_scrape_seconds {time.monotonic() - began}\n"
        ).encode()
    )
