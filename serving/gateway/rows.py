"""Writes answer rows beside the event loop: many requests share one commit."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence

import structlog
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections

from serving.gateway.limits import Limits
from serving.services import answers
from serving.services.answers import AnswerRow

log = structlog.get_logger(__name__)

Write = Callable[[Sequence[AnswerRow]], None]
_RETRY_SECONDS = 0.5
_STOP_SECONDS = 5.0


class RowWriter:
    """A queue, and one thread that writes what has come up to now in one transaction.

    While the database is away rows wait here, up to ``row_backlog``, and no answer waits for them.
    """

    def __init__(self, limits: Limits, *, write: Write = answers.record_batch) -> None:
        self._limits = limits
        self._write = write
        self._queue: queue.SimpleQueue[tuple[AnswerRow, asyncio.Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self.is_behind = False

    def start(self) -> None:
        """Start the thread; futures are resolved on the running loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="answer-rows", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued and end the thread; blocks for at most ``_STOP_SECONDS``."""
        self._is_stopping.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
        if left := self._queue.qsize():
            log.error("gateway.rows_lost", count=left)

    def submit(self, row: AnswerRow) -> asyncio.Future[None]:
        """Queue ``row``; the future is done when it is committed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._queue.qsize() >= self._limits.row_backlog:
            log.error("gateway.row_lost", answer_id=row.answer_id)
            future.set_result(None)
        else:
            self._queue.put((row, future))
        return future

    async def commit(self, row: AnswerRow) -> None:
        """Queue ``row`` and wait until it is committed, up to ``row_commit_seconds``."""
        future = self.submit(row)
        if self.is_behind:
            return
        done, _ = await asyncio.wait({future}, timeout=self._limits.row_commit_seconds)
        if not done:
            log.warning("gateway.row_late", answer_id=row.answer_id)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            item = self._queue.get()
            batch = []
            while item is not None:
                batch.append(item)
                if len(batch) >= self._limits.row_batch or self._queue.empty():
                    break
                item = self._queue.get()
            if batch:
                self._write_all([row for row, _ in batch])
                self._resolve(loop, [future for _, future in batch])
            if item is None:
                return

    def _write_all(self, rows: Sequence[AnswerRow]) -> None:
        while True:
            try:
                close_old_connections()
                self._write(rows)
                self.is_behind = False
                return
            except (IntegrityError, DataError):
                # A row that can never be written must not hold up the others.
                if len(rows) == 1:
                    log.exception("gateway.row_lost", answer_id=rows[0].answer_id)
                    return
                for row in rows:
                    self._write_all([row])
                return
            except DatabaseError:
                self.is_behind = True
                log.exception("gateway.rows_wait", count=len(rows))
                if self._is_stopping.wait(_RETRY_SECONDS):
                    log.exception("gateway.rows_lost", count=len(rows))
                    return
            finally:
                close_old_connections()

    @staticmethod
    def _resolve(loop: asyncio.AbstractEventLoop, futures: Sequence[asyncio.Future[None]]) -> None:
        def resolve() -> None:
            for future in futures:
                if not future.done():
                    future.set_result(None)

        try:
            loop.call_soon_threadsafe(resolve)
        except RuntimeError:
            # The loop has ended: nobody waits any more.
            return
