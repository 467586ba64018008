"""Queues of agents whose node is not there any more: what waits in them is dropped."""

from collections.abc import Iterator
from datetime import timedelta

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from compliance.services import audit
from config.core import clock
from config.core.actors import SYSTEM
from serving.models import Node

log = structlog.get_logger(__name__)
PREFIX = "node."
GONE_AFTER = timedelta(minutes=2)
# kombu's Redis transport keeps a list for each priority, named after the queue and this mark.
_PRIORITY_MARK = "\x06\x16"


def purge_dead() -> int:
    """Empty the queues of nodes that are unknown, switched off or long silent; how many messages.

    Nothing is lost by it: the reconciler asks again once the node is back.
    """
    try:
        with current_app.connection_for_write() as broker:
            channel = broker.default_channel
            return sum(_purge(channel, name) for name in _waiting(channel) - _living())
    except OperationalError:
        log.warning("broker away, queues are purged later")
        return 0


def _living() -> set[str]:
    seen_since = clock.now() - GONE_AFTER
    rows = Node.objects.filter(is_enabled=True, last_seen_at__gte=seen_since)
    return {node.queue for node in rows}


def _waiting(channel: object) -> set[str]:
    """The agents' queues in which something waits; none where the broker can't tell."""
    return {name for name in _keys(channel) if name.startswith(PREFIX)}


def _keys(channel: object) -> Iterator[str]:
    client = getattr(channel, "client", None)
    if client is None:  # the broker in memory, which ends with its process
        return
    for key in client.scan_iter(match=f"{PREFIX}*", _type="list"):
        text = key.decode() if isinstance(key, bytes) else str(key)
        yield text.split(_PRIORITY_MARK, 1)[0]


def _purge(channel: object, name: str) -> int:
    count = int(channel.queue_purge(name) or 0)  # type: ignore[attr-defined]
    if count:
        with transaction.atomic():
            audit.record(
                action="node.queue_purged",
                actor=SYSTEM,
                object_type="queue",
                object_id=name,
                diff={"messages": [count, 0]},
                reason="Its node is unknown, switched off or has been silent for two minutes.",
            )
    return count
