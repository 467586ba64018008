"""Says every second of each claim that this process works on: it is alive."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connection, transaction

from config.accounts.models import IdempotencyKey
from config.core import clock

BEAT_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Pulse:
    """One thread and one connection for all claims, while there is one; it ends with the process.

    Nobody waits for it: a request at its end must not need a connection beside its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[int, int] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating(self, row_id: int, attempt: int) -> Iterator[None]:
        """Keep the claim alive while the block runs."""
        with self._lock:
            self._claims[row_id] = attempt
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._claims.pop(row_id, None)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(BEAT_SECONDS)
            with self._lock:
                if not self._claims:
                    self._thread = None
                    return
                claims = dict(self._claims)
            try:
                _beat(claims)
            except DatabaseError as error:  # it may be back at the next beat
                log.warning("idempotency.beat_failed", error=type(error).__name__)
            finally:
                connection.close()


def _beat(claims: dict[int, int]) -> None:
    rows = IdempotencyKey.objects.filter(pk__in=claims, state=IdempotencyKey.State.WORKING)
    with transaction.atomic():
        # A row that its own act has locked is protected by the lock; waiting would let the others
        # look dead.
        found = rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", "attempt")
        alive = [pk for pk, attempt in found if claims[pk] == attempt]
        rows.filter(pk__in=alive).update(alive_at=clock.now())


PULSE = Pulse()
