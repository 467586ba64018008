"""Queues of nodes that are gone are emptied, said in the trail; those of living ones are not."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app

from compliance.models import AuditEvent
from compliance.selectors.audit import parse_body
from config.core import clock, keys
from registry.models import BaseModel
from serving.models import Node
from serving.services import nudges, queues
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker() -> Iterator[Any]:
    """The test's own Redis; what is left of these queues is dropped at the end."""
    with current_app.connection_for_write() as connection:
        yield connection.default_channel
        for name in ("node.living", "node.silent", "node.off", "node.unknown"):
            connection.default_channel.queue_purge(name)


def node(name: str, **values: Any) -> Node:
    seen = {"last_seen_at": clock.now(), "secret_encrypted": keys.encrypt("x" * 16), **values}
    base = BaseModel.objects.first() or make.base_model()
    return Node.objects.create(name=name, url="http://127.0.0.1:1", base_model=base, **seen)


def waiting(broker: Any, name: str) -> int:
    return int(broker.client.llen(name))


def test_queues_of_gone_nodes_are_emptied(empty_broker: None, broker: Any) -> None:
    node("living")
    node("silent", last_seen_at=clock.now() - timedelta(minutes=3))
    node("off", is_enabled=False)
    for name in ("living", "silent", "off", "unknown"):
        for number in range(2):
            nudges.load(f"replica-{number}", f"node.{name}")
        assert waiting(broker, f"node.{name}") == 2
    assert queues.purge_dead() == 6
    left = {n: waiting(broker, f"node.{n}") for n in ("living", "silent", "off", "unknown")}
    assert left == {"living": 2, "silent": 0, "off": 0, "unknown": 0}
    events = AuditEvent.objects.filter(action="node.queue_purged")
    assert {event.object_id for event in events} == {"node.silent", "node.off", "node.unknown"}
    assert parse_body(events[0])["diff"] == {"messages": [2, 0]}
    assert queues.purge_dead() == 0
    assert events.count() == 3, "what is empty is no event"
