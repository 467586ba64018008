"""Waiting for something that happens elsewhere, without taking the processor from it."""

import threading
import time
from collections.abc import Callable
from typing import Any

FIRST_SECONDS, EVERY_SECONDS = 0.01, 0.1


def until(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """The first true value of ``condition``; fails when time is up.

    Asked rarer and rarer, so that what is waited for over seconds keeps the processor.
    """
    deadline, waited_seconds = time.monotonic() + seconds, FIRST_SECONDS
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        pause.wait(waited_seconds)
        waited_seconds = min(1.2 * waited_seconds, EVERY_SECONDS)
    return value
