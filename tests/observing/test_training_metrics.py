"""What Prometheus is told of trainings."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from config.core import clock
from registry.models import TrainingRun
from registry.services import training_attempts as attempts
from serving.health.measuring import forget, measure
from serving.metrics.state import StateCollector
from tests.factories import training as make

pytestmark = pytest.mark.django_db(transaction=True)


def _values() -> dict[str, float]:
    forget()
    registry = CollectorRegistry()
    registry.register(StateCollector(measure()))
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_trainings_are_counted_and_a_silent_trainer_is_seen_A58() -> None:
    run = make.start(make.avatar())
    seen = _values()
    assert seen['formulary_trainings{state="queued"}'] == 1
    assert seen["formulary_training_silent_seconds"] == 0
    attempts.begin(run_id=run.pk, worker="here")
    long_ago = clock.now() - timedelta(seconds=90)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)
    seen = _values()
    assert seen['formulary_trainings{state="queued"}'] == 0
    assert seen['formulary_trainings{state="running"}'] == 1
    assert 90 <= seen["formulary_training_silent_seconds"] < 150
