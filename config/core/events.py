"""Typed events: news that travels upward, inside the transaction of the change."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from config.core.actors import Actor


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened, to what, by whom. Subclasses live in each room's events.py.

    ``object_type`` and ``object_id`` name the thing for the audit trail, ``diff`` is
    ``{field: [old, new]}`` and never holds patient text.
    """

    actor: Actor
    action: ClassVar[str] = ""  # the act's name in the audit trail, e.g. ``version.submitted``
    is_act: ClassVar[bool] = True  # False: it tells of an attempt that was refused
    object_type: str
    object_id: str
    object_rev: str = ""
    diff: dict[str, list[Any]] = field(default_factory=dict)
    reason: str = ""


Handler = Callable[[Any], None]
_handlers: dict[type[Event], list[Handler]] = defaultdict(list)


def subscribe(event_type: type[Event], handler: Handler) -> None:
    """Call ``handler`` for each published event of ``event_type`` (or a subclass of it)."""
    if handler not in _handlers[event_type]:
        _handlers[event_type].append(handler)


def publish(event: Event) -> None:
    """Call every subscriber now, in the caller's transaction: an error in one undoes the change."""
    for event_type in type(event).__mro__:
        for handler in _handlers.get(event_type, ()):
            handler(event)
