"""A trainer or a courier that is missing or late is told by health, with what to do."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from config.core import broker, clock
from deliveries.models import DeliveryJob
from deliveries.tasks import sweep_deliveries
from registry.models import TrainingRun
from registry.training_selectors import workload
from serving.domain.health import Component, Status
from serving.health import measuring
from serving.selectors.facts import database_facts
from tests.factories import accounts
from tests.factories import registry as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_broker")]


def _run(state: str = "queued", *, minutes: float = 0.0, **values: Any) -> TrainingRun:
    adapter = make.adapter(slug=f"a-{uuid4().hex[:8]}")
    return TrainingRun.objects.create(
        adapter=adapter,
        base_model=adapter.base_model,
        seed=1,
        state=state,
        parameters={},
        requested_by=adapter.owner,
        requested_at=clock.now() - timedelta(minutes=minutes),
        **values,
    )


def _part(name: str) -> Component:
    measuring.forget()
    return measuring.measure().components[name]


def test_a_house_without_trainings_needs_no_trainer_and_always_a_courier() -> None:
    assert _part("trainer").status is Status.OFF
    courier = _part("courier")
    assert courier.status is Status.DEGRADED and "Start the courier" in courier.detail
    broker.sign("courier@h", queues=["deliveries"])
    assert _part("courier").status is Status.HEALTHY


def test_a_training_that_nobody_can_do_degrades_the_house() -> None:
    _run()
    missing = _part("trainer")
    assert missing.status is Status.DEGRADED
    assert "none runs; 0 under way, 1 waiting. Start the trainer" in missing.detail
    broker.sign("trainer@h", queues=["training"])
    assert _part("trainer").status is Status.HEALTHY


def test_a_training_that_nobody_begins_is_late() -> None:
    broker.sign("trainer@h", queues=["training"])
    _run(minutes=3)
    late = _part("trainer")
    assert late.status is Status.DEGRADED
    assert "1 training waits, and the trainer has begun none. Read its log" in late.detail
    # Another that ended a moment ago was in its way; one that is at work still is.
    over = _run("completed", minutes=30, finished_at=clock.now())
    assert _part("trainer").status is Status.HEALTHY
    over.delete()
    _run("running", minutes=30, heartbeat_at=clock.now())
    assert _part("trainer").status is Status.HEALTHY


def test_a_training_that_was_left_is_late() -> None:
    broker.sign("trainer@h", queues=["training"])
    _run("running", minutes=30, heartbeat_at=clock.now() - timedelta(minutes=3))
    late = _part("trainer")
    assert late.status is Status.DEGRADED and "nobody goes on with it" in late.detail


def test_data_that_wait_for_their_scan_are_no_trainers_fault() -> None:
    from tests.factories import training

    avatar = training.avatar(is_scanned=False, files={"a.txt": b"Invented: note"})
    run = training.start(avatar)
    assert workload().waiting_count == 1 and workload().due_since is None
    training.scan(avatar)
    assert workload().due_since == run.requested_at


def test_what_the_courier_leaves_is_told_to_the_room_below() -> None:
    broker.sign("courier@h", queues=["deliveries"])
    due_at = clock.now() - timedelta(minutes=3)
    job = DeliveryJob.objects.create(
        mode="http", created_by=accounts.engineer(), next_try_at=due_at
    )
    sweep_deliveries()
    assert database_facts().work.delivery_due_since == due_at
    late = _part("courier")
    assert late.status is Status.DEGRADED and "are due, and the courier" in late.detail
    # Where beat is away nobody repeats it, and an old word is not believed.
    with clock.frozen_at(clock.now() + timedelta(seconds=61)):
        assert database_facts().work.delivery_due_since is None
    DeliveryJob.objects.filter(pk=job.pk).update(next_try_at=clock.now() + timedelta(hours=1))
    sweep_deliveries()
    assert _part("courier").status is Status.HEALTHY
