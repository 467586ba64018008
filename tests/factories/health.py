"""Health as a machine tells it that has all the time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from config.core import broker
from serving.health import measuring

PATIENCE_SECONDS = 30.0


@contextmanager
def measured_anew() -> Iterator[None]:
    """Parts are asked anew in the block, and may take as long as this machine takes.

    How soon they must answer is asked of a process of its own (tests/observing/test_health.py).
    """
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(measuring, "ANSWER_SECONDS", PATIENCE_SECONDS)
        changed.setattr(broker, "CALL_SECONDS", PATIENCE_SECONDS)
        broker._client.cache_clear()
        measuring.forget()
        yield
        measuring.forget()
        broker._client.cache_clear()
