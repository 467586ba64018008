"""Asks a part in a thread of its own, so that one that hangs holds up nobody."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")
FRESH_SECONDS = 1.0
# A question that hangs for longer is given up: its connection may be dead without telling.
GIVEN_UP_SECONDS = 30.0


@dataclass
class Run(Generic[T]):
    """One asking: ``value`` or ``error`` once ``ended`` is set."""

    started_at: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    ended_at: float = 0.0
    value: T | None = None
    error: str = ""

    @property
    def latency_ms(self) -> float:
        """How long it took."""
        return round(1000 * (self.ended_at - self.started_at), 2)


class Probe(Generic[T]):
    """One question to one part: at most one at a time, and its answer serves for a second."""

    def __init__(self, name: str, ask: Callable[[], T]) -> None:
        self.name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._run: Run[T] | None = None

    def start(self) -> Run[T]:
        """The run that is under way or fresh, else a new one."""
        with self._lock:
            if self._run is None or self._is_over(self._run):
                run = self._run = Run()
                threading.Thread(
                    target=self._do, args=(run,), name=f"probe-{self.name}", daemon=True
                ).start()
            return self._run

    def forget(self) -> None:
        """Ask anew next time (tests)."""
        with self._lock:
            self._run = None

    @staticmethod
    def _is_over(run: Run[T]) -> bool:
        now = time.monotonic()
        if run.ended.is_set():
            return now - run.ended_at > FRESH_SECONDS
        return now - run.started_at > GIVEN_UP_SECONDS

    def _do(self, run: Run[T]) -> None:
        try:
            run.value = self._ask()
        except Exception as error:
            # The outermost frame of this thread: whatever fails is what the probe is there to tell.
            run.error = type(error).__name__
            log.exception("health.probe_failed", object=self.name)
        run.ended_at = time.monotonic()
        run.ended.set()


def ask_all(probes: Mapping[str, Probe[object]], *, seconds: float) -> dict[str, Run[object]]:
    """Ask all at once; after ``seconds`` those that have not answered are still not ``ended``."""
    runs = {name: probe.start() for name, probe in probes.items()}
    deadline = time.monotonic() + seconds
    for run in runs.values():
        run.ended.wait(max(0.0, deadline - time.monotonic()))
    return runs
