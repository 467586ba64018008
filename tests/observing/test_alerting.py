"""Alerts are opened once and closed once, however often and by however many they are looked at."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from compliance.models import AuditEvent
from compliance.services import audit, checkpoints, sealing
from config.core import clock
from config.core.actors import SYSTEM
from serving.domain.facts import BrokerFacts, Facts
from serving.models import Alert, Node
from serving.selectors.facts import read_facts
from serving.services.alerting import Watch
from tests.factories import console

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("empty_broker"),
]


def _facts(**values) -> Facts:
    return Facts(at=clock.now(), **values)


def _unsealed() -> Facts:
    return _facts(unsealed_count=3, oldest_unsealed_at=clock.now() - timedelta(seconds=20))


def test_a_condition_is_one_alert_until_it_is_gone_M90() -> None:
    watch = Watch()
    for _ in range(3):
        watch.apply(_unsealed())
    (row,) = Alert.objects.all()
    assert (row.rule, row.severity, row.closed_at) == ("audit_unsealed", "critical", None)
    assert row.since < row.opened_at
    for _ in range(2):
        watch.apply(_facts())
    row.refresh_from_db()
    closed_at = row.closed_at
    assert closed_at is not None
    watch.apply(_facts())
    row.refresh_from_db()
    assert row.closed_at == closed_at
    watch.apply(_unsealed())
    assert Alert.objects.count() == 2
    assert not AuditEvent.objects.filter(action__startswith="alert").exists()


def test_what_has_no_known_beginning_must_last() -> None:
    watch, away = Watch(), BrokerFacts(fault="TimeoutError")
    first = _facts(broker=away)
    watch.apply(first)
    watch.apply(replace(first, at=first.at + timedelta(seconds=9)))
    assert not Alert.objects.exists()
    watch.apply(replace(first, at=first.at + timedelta(seconds=10)))
    assert Alert.objects.get().since == first.at
    # Seen, gone, and seen again for a moment: that is a new beginning.
    watch.apply(_facts())
    watch.apply(replace(first, at=first.at + timedelta(seconds=60)))
    assert not Alert.objects.filter(closed_at__isnull=True).exists()


def test_two_watches_at_once_open_one_alert() -> None:
    ready = threading.Barrier(4, timeout=60)

    def look(_: int) -> None:
        try:
            ready.wait()
            Watch().apply(_unsealed())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(4)))
    assert Alert.objects.count() == 1


def test_facts_are_read_from_a_house_that_drifts(settings, tmp_path) -> None:
    settings.FORMULARY_HOME = tmp_path / "state"
    world = console.world()
    version = console.version(world, name="v1", checked=False)
    node = console.node(world)
    console.node(world, name="node-2", seen_seconds_ago=100)
    row = console.replica(node, version, state="failed", error="No slot is free.")
    row.__class__.objects.filter(pk=row.pk).update(failures_count=3)
    deployment = console.deployment(world, stable=version)
    console.rollout(world, deployment, console.version(world, name="v2", checked=False))
    with clock.frozen_at(clock.now() + timedelta(seconds=12)):
        Node.objects.filter(pk=node.pk).update(last_seen_at=clock.now())
        facts = read_facts()
        Watch().apply(replace(facts, broker=None))
    assert facts.broker is not None and facts.broker.queues["node.node-1"] == 0
    assert facts.stop_list_fault == ""
    found = {(row.rule, row.subject) for row in Alert.objects.all()}
    assert found == {
        ("audit_unsealed", ""),
        ("node_away", "node-2"),
        ("drift", f"node-1/{version.runtime_name}"),
    }


def test_a_list_of_stops_that_can_not_be_written_is_noticed(settings, tmp_path) -> None:
    settings.FORMULARY_HOME = tmp_path / "state"
    (tmp_path / "state" / "stops.jsonl").mkdir(parents=True)
    facts = read_facts()
    assert facts.stop_list_fault == "Is a directory"
    watch = Watch()
    watch.apply(replace(facts, broker=None))
    watch.apply(replace(facts, broker=None))
    assert [row.rule for row in Alert.objects.all()] == ["stop_list_unwritable"]


def test_a_trail_that_was_cut_and_grew_back_is_noticed(settings, tmp_path) -> None:
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"

    def grow() -> None:
        audit.record(action="test.done", actor=SYSTEM, object_type="x", object_id=str(uuid4()))
        sealing.seal_pending()

    grow()
    assert checkpoints.write_due(is_forced=True)
    assert read_facts().trail_fault == ""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM compliance_auditevent")
        cursor.execute("DELETE FROM compliance_checkpoint")
    grow()
    grow()
    assert checkpoints.write_due(is_forced=True) is None
    facts = read_facts()
    Watch().apply(replace(facts, broker=None))
    (row,) = Alert.objects.all()
    assert (row.rule, row.severity) == ("trail_rewritten", "critical")
    assert "000000000001.txt was signed over another log" in row.message


def test_reading_the_facts_costs_a_fixed_number_of_queries(django_assert_max_num_queries) -> None:
    world = console.world()
    for index in range(5):
        node = console.node(world, name=f"node-{index}")
        for number in range(3):
            version = console.version(world, name=f"v{index}.{number}", checked=False)
            console.replica(node, version, state="failed")
    with django_assert_max_num_queries(14):
        facts = read_facts()
    assert len(facts.drifts) == 15
