"""Waiting for something that happens elsewhere, without taking the processor from it."""

import threading
import time
from collections.abc import Callable
from typing import Any

EVERY_SECONDS = 0.1


def until(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """The first true value of ``condition``; fails when time is up."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        pause.wait(EVERY_SECONDS)
    return value
