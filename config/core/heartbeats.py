"""Work that says every second that its worker lives, so that another may take over what is left."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)
BEAT_SECONDS = 1.0


@contextmanager
def beating(act: Callable[[], object], *, every_seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Call ``act`` again and again in a thread of its own while the block runs.

    The thread ends with the process: what falls silent has no worker any more.
    """
    ending = threading.Event()

    def run() -> None:
        while not ending.wait(every_seconds):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - the thread's outermost loop: the work itself
                # finds out whether it is still its own, and a database away may be back.
                log.warning("work.beat_failed", error=type(error).__name__)

    thread = threading.Thread(target=run, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
