"""Time as far as this machine was at work."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.02
LONGEST_TICK_SECONDS = 0.1


@contextmanager
def awake_seconds() -> Iterator[Callable[[], float]]:
    """How many seconds have passed in the block, for limits on what the product takes.

    A moment in which this process did not get the processor at all, because the machine stood
    still or others held it, counts as a tenth of a second at most.
    """
    ending, counted_seconds = threading.Event(), 0.0

    def run() -> None:
        nonlocal counted_seconds
        before = time.monotonic()
        while not ending.wait(TICK_SECONDS):
            now = time.monotonic()
            counted_seconds += min(now - before, LONGEST_TICK_SECONDS)
            before = now

    thread = threading.Thread(target=run, name="awake", daemon=True)
    thread.start()
    try:
        yield lambda: counted_seconds
    finally:
        ending.set()
        thread.join()
