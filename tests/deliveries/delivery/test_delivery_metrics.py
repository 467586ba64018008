"""What Prometheus is told of deliveries, read over HTTP."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from config.accounts.selectors import actor_of
from config.core import clock
from deliveries.metrics import PROBE
from deliveries.models import DeliveryJob, DeliverySum, LoraEntry
from deliveries.selectors.tallies import delivery_tallies, tallies_between
from deliveries.services import delivery_jobs, delivery_sums
from deliveries.states import DeliveryState, Mode
from tests.architecture.environment import ROOT
from tests.deliveries.delivery.receiver import Receiver
from tests.factories import accounts

TOKEN = "a token for this test alone"
PROMPT = "calm, Ms Example"


def _told() -> tuple[str, dict[tuple[str, str, str], float]]:
    """The text, and (sample, mode, upper bound) → value."""
    PROBE.forget()
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    text = answer.content.decode()
    return text, {
        (sample.name, sample.labels.get("mode", ""), sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.django_db(transaction=True)
def test_deliveries_failures_and_latency_are_counted_L27(receiver: Receiver, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    actor = actor_of(accounts.engineer())
    LoraEntry.objects.create(name="calm", file_path="/x", is_compose_active=True)
    LoraEntry.objects.create(name="loud", file_path="/y")
    began = clock.now()
    LoraEntry.objects.create(name="gone", file_path="/z", is_compose_active=True, deleted_at=began)

    def deliver(statuses: list[int], seconds: float) -> DeliveryJob:
        receiver.statuses = list(statuses)
        with clock.frozen_at(began):
            job = delivery_jobs.enqueue(
                actor=actor, prompt=PROMPT, mode="http", params=receiver.params
            )
        for _ in statuses or [200]:
            with clock.frozen_at(began + timedelta(seconds=seconds)):
                delivery_jobs.run(job_id=job.pk)
                DeliveryJob.objects.filter(pk=job.pk).update(next_try_at=began)
        return job

    deliver([], 0.3)
    deliver([], 20)
    deliver([500] * 4, 7)
    with clock.frozen_at(began):
        delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    text, told = _told()
    name = "formulary_deliveries"
    assert told[f"{name}_enqueued_total", "http", ""] == 4
    assert told[f"{name}_failed_total", "http", ""] == 1
    assert told[f"{name}_enqueued_total", "s3", ""] == told[f"{name}_failed_total", "s3", ""] == 0
    within = {
        bound: told[f"{name}_latency_seconds_bucket", "http", bound]
        for bound in ("0.25", "0.5", "10.0", "30.0", "+Inf")
    }
    assert within == {"0.25": 0, "0.5": 1, "10.0": 2, "30.0": 3, "+Inf": 3}
    assert told[f"{name}_latency_seconds_count", "http", ""] == 3
    assert told[f"{name}_latency_seconds_sum", "http", ""] == pytest.approx(27.3)
    assert told["formulary_adapters_count", "", ""] == 2
    assert told["formulary_adapters_active_count", "", ""] == 1
    # As a number of its own: five digits may stand within another one.
    assert "Example" not in text and not re.search(rf"\b{receiver.port}\b", text)
    modes = {mode for sample, mode, _ in told if sample.startswith(name)}
    assert modes == {"http", "cli", "s3", "webhook"}, "as many as there are channels"


def _job(mode: Mode, state: DeliveryState, *, at: datetime, took: timedelta | None) -> DeliveryJob:
    return DeliveryJob.objects.create(
        mode=mode,
        state=state,
        created_at=at,
        finished_at=None if took is None else at + took,
        latency_ms=None if took is None else round(took.total_seconds() * 1000),
    )


@pytest.mark.django_db
def test_sums_and_what_came_since_are_all_there_was() -> None:
    """Jobs before, across and after the moment until which is added up; twice, and at other times.

    What is added up is not read again: a job that is changed behind its back changes nothing.
    """
    now = clock.now()
    for hours in (30, 2, 0.3, 0.2):
        at = now - timedelta(hours=hours)
        _job(Mode.HTTP, DeliveryState.SUCCEEDED, at=at, took=timedelta(seconds=0.2))
        _job(Mode.HTTP, DeliveryState.FAILED, at=at, took=timedelta(minutes=10))
        _job(Mode.S3, DeliveryState.RETRYING, at=at, took=None)
    old = DeliveryJob.objects.order_by("created_at")[0]
    whole = tallies_between(None, None)
    assert delivery_tallies() == whole
    assert (whole[Mode.HTTP].enqueued, whole[Mode.HTTP].ended, whole[Mode.S3].enqueued) == (8, 8, 4)
    for minutes in (0, 0, 3, 1, 60):
        with clock.frozen_at(now + timedelta(minutes=minutes)):
            delivery_sums.add_up()
        assert delivery_tallies() == whole
    assert DeliverySum.objects.get(mode=Mode.HTTP).enqueued == 8
    DeliveryJob.objects.filter(pk=old.pk).update(latency_ms=999_999, mode=Mode.CLI)
    assert delivery_tallies() == whole
    DeliverySum.objects.update(bounds=[1])  # of an older program: they are made anew
    assert delivery_tallies()[Mode.CLI].enqueued == 1
    delivery_sums.add_up()
    assert delivery_tallies()[Mode.CLI].enqueued == 1


@pytest.mark.django_db
def test_a_scrape_reads_jobs_by_index_and_only_since_the_sums() -> None:
    delivery_sums.add_up()
    with CaptureQueriesContext(connection) as seen, connection.cursor() as cursor:
        delivery_tallies()
        asked = [row["sql"] for row in seen if "deliveryjob" in row["sql"]]
        assert len(asked) == 2
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in asked:
            cursor.execute(f"EXPLAIN {sql}")
            plan = " ".join(row[0] for row in cursor.fetchall())
            assert "deliveries_taken_in" in plan or "deliveries_ended" in plan, plan


def test_the_page_on_observing_names_these_too() -> None:
    page = (ROOT / "docs" / "observing.md").read_text()
    for name in ("adapters_count", "adapters_active_count", "deliveries_enqueued",
                 "deliveries_failed", "deliveries_latency_seconds"):  # fmt: skip
        assert f"`formulary_{name}" in page
