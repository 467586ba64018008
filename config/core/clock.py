"""The one clock: UTC wall time that tests can set."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("frozen_now", default=None)


def now() -> datetime:
    """The current moment in UTC."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def frozen_at(moment: datetime) -> Iterator[None]:
    """Hold ``now()`` at ``moment`` inside the block (tests only)."""
    token = _frozen.set(moment)
    try:
        yield
    finally:
        _frozen.reset(token)


def isoformat(moment: datetime) -> str:
    """UTC ISO 8601 with microseconds and a Z, the form used in records and audit events."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
