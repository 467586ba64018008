"""The control loop: one leader seals, renews leases, looks at nodes and tells them of stops.

It needs the database and the nodes, no broker. Each duty has a thread of its own, so that a slow
node does not hold up the sealing; an error in one round is logged and the next round comes.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from compliance.selectors.permissions import epoch
from compliance.services import checkpoints, permissions, restores, sealing, stops
from config.core import clock
from serving.models import Node
from serving.services import alerting, heartbeats, nodes, rollbacks

log = structlog.get_logger(__name__)
LOCK_KEY = 0x464D_4C02
SEAL_SECONDS = 0.2
CHECKPOINT_SECONDS = 1.0
RENEW_SECONDS = 1.0
OBSERVE_SECONDS = 1.0
NEWS_SECONDS = 0.25
FALLBACK_SECONDS = 0.5
STOP_LIST_SECONDS = 2.0
ALERTS_SECONDS = 5.0
HEARTBEAT_SECONDS = 1.0
LEADER_SECONDS = 1.0
NODES_AT_ONCE = 5
JOIN_SECONDS = 1.5


@dataclass
class Duty:
    """``act`` every ``seconds``, until told to end."""

    name: str
    seconds: float
    act: Callable[[], object]


@dataclass
class Nodes:
    """Looks after all nodes side by side; a node that is being looked after is not asked twice."""

    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(NODES_AT_ONCE, thread_name_prefix="node")
    )
    busy: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    epochs: tuple[int, int] = (-1, -1)

    def tend(self) -> None:
        """One round over the nodes."""
        for node in Node.objects.select_related("base_model").order_by("pk"):
            with self.lock:
                if node.pk in self.busy:
                    continue
                self.busy.add(node.pk)
            self.pool.submit(self._tend_one, node)

    def tell_news(self) -> None:
        """Tend the nodes at once when stops, permissions or what is routed have changed."""
        now = epoch()
        if now == self.epochs:
            return
        self.epochs = now
        self.tend()

    def close(self) -> None:
        """Start nothing more; what runs ends with the process."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _tend_one(self, node: Node) -> None:
        try:
            nodes.tend(node=node)
        except Exception:
            log.exception("control.round_failed", task="tend", node=node.name)
        finally:
            connection.close()
            with self.lock:
                self.busy.discard(node.pk)


class Control:
    """Runs the duties while this process is the leader, until ``stop``."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._nodes = Nodes()
        self.is_leading = threading.Event()
        self._duties = (
            Duty("seal", SEAL_SECONDS, sealing.seal_pending),
            Duty("checkpoints", CHECKPOINT_SECONDS, checkpoints.write_due),
            # Due leases are found each second; how often one is renewed is a setting.
            Duty("renew", RENEW_SECONDS, permissions.renew_due),
            Duty("nodes", OBSERVE_SECONDS, self._nodes.tend),
            Duty("news", NEWS_SECONDS, self._nodes.tell_news),
            Duty("fallbacks", FALLBACK_SECONDS, rollbacks.obey_stops),
            Duty("list of stops", STOP_LIST_SECONDS, stops.unite),
            Duty("alerts", ALERTS_SECONDS, alerting.Watch().look),
            Duty("heartbeat", HEARTBEAT_SECONDS, self._beat),
        )
        # Duty → when its last round ended that did not fail; each thread writes its own entry.
        self._done_at: dict[str, datetime] = {}

    def run(self) -> None:
        """Wait to be the leader, then do the duties until told to stop."""
        while not self._ending.is_set():
            try:
                with leadership() as holds:
                    if holds():
                        self._lead(holds)
            except (OperationalError, InterfaceError):
                # The database is away: nothing may be done, and it is asked again.
                log.warning("control.database_away")
            connection.close()
            self._ending.wait(LEADER_SECONDS)
        self._nodes.close()

    def stop(self) -> None:
        """End within two seconds; safe to call from a signal handler."""
        self._ending.set()

    def _lead(self, holds: Callable[[], bool]) -> None:
        log.info("control.leads", pid=os.getpid())
        restores.begin()
        leaving = threading.Event()
        threads = [
            threading.Thread(target=self._do, args=(duty, leaving), name=duty.name, daemon=True)
            for duty in self._duties
        ]
        for thread in threads:
            thread.start()
        self.is_leading.set()
        try:
            while not self._ending.wait(LEADER_SECONDS) and holds():
                pass
        finally:
            self.is_leading.clear()
            leaving.set()
            deadline = time.monotonic() + JOIN_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _beat(self) -> None:
        heartbeats.beat(name=heartbeats.CONTROL, duties=dict(self._done_at))

    def _do(self, duty: Duty, leaving: threading.Event) -> None:
        while not (leaving.is_set() or self._ending.is_set()):
            started = time.monotonic()
            try:
                close_old_connections()
                duty.act()
                self._done_at[duty.name] = clock.now()
            except Exception:
                log.exception("control.round_failed", task=duty.name)
            finally:
                # Given back to the pool: a duty holds no connection while it waits.
                connection.close()
            spent = time.monotonic() - started
            if leaving.wait(max(0.01, duty.seconds - spent)):
                return


@contextmanager
def leadership() -> Iterator[Callable[[], bool]]:
    """Yields a question: is this process (still) the only leader?

    PostgreSQL: an advisory lock of this session, which ends with the connection. SQLite: a lock on
    a file beside the database, which ends with the process.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
            is_mine = bool(cursor.fetchone()[0])

        def holds() -> bool:
            if not is_mine:
                return False
            with connection.cursor() as asked:  # an error here says that the session is gone
                asked.execute("SELECT 1")
            return True

        try:
            yield holds
        finally:
            if is_mine and connection.connection is not None and connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])
    else:
        import fcntl

        path = Path(settings.FORMULARY_HOME) / "control.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_first = True
            except BlockingIOError:
                is_first = False
            yield lambda: is_first
