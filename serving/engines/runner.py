"""The model's thread: takes rows in, steps the batch, hands tokens to the event loops."""

import asyncio
import queue
import threading
from collections import deque
from dataclasses import dataclass

import torch

from serving.engines.base import Finish, TokenEvent
from serving.engines.errors import AnswerFailed
from serving.engines.llama.model import LlamaModel
from serving.engines.rows import Batch, Item, Row, build_step, plan_batch
from serving.engines.sampling import Choice, choose
from serving.engines.slots import SlotTable


@dataclass(frozen=True, slots=True)
class _Join:
    row: Row


@dataclass(frozen=True, slots=True)
class _Leave:
    row: Row


class _Stop:
    pass


class Runner:
    """Owns the model while it runs. ``submit`` and ``leave`` may be called from any thread."""

    def __init__(
        self,
        model: LlamaModel,
        table: SlotTable,
        *,
        eos_ids: frozenset[int],
        device: torch.device,
        threads: int,
        prefill_tokens: int,
    ) -> None:
        self._model = model
        self._table = table
        self._eos_ids = eos_ids
        self._device = device
        self._threads = threads
        self._prefill_tokens = prefill_tokens
        self._inbox: queue.SimpleQueue[_Join | _Leave | _Stop] = queue.SimpleQueue()
        self._waiting: deque[Row] = deque()
        self._rows: list[Row] = []
        self._outbox: dict[asyncio.AbstractEventLoop, list[tuple[Row, Item]]] = {}
        self._gate = threading.Lock()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread takes rows."""
        return self._is_open and self._thread.is_alive()

    def submit(self, row: Row) -> None:
        """Hand ``row`` over; from now on its pin on the slot is given up here.

        Raises:
            AnswerFailed: the thread has ended; the pin is still the caller's.
        """
        with self._gate:
            if not self._is_open:
                raise AnswerFailed("the engine has ended", fix="Ask another node.")
            self._inbox.put(_Join(row))

    def leave(self, row: Row) -> None:
        """Free ``row`` before its next step, if it has not ended."""
        self._inbox.put(_Leave(row))

    def close(self) -> None:
        """End the thread after the running step; rows in flight fail."""
        self._inbox.put(_Stop())
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)
        try:
            while self._take_in():
                self._admit()
                if self._rows:
                    self._step()
                self._hand_out()
        except Exception:  # the outermost loop: whatever it was, every client must be told
            self._end_all(AnswerFailed("the engine failed in a step", fix="Restart the node."))
            raise
        self._end_all(AnswerFailed("the engine was closed", fix="Ask another node."))

    def _take_in(self) -> bool:
        """Read the inbox, waiting only when there is nothing to compute; False to end."""
        is_idle = not self._rows and not self._waiting
        while True:
            try:
                message = self._inbox.get(block=is_idle)
            except queue.Empty:
                return True
            is_idle = False
            if isinstance(message, _Stop):
                return False
            if isinstance(message, _Join):
                self._waiting.append(message.row)
            else:
                self._drop(message.row)

    def _admit(self) -> None:
        while self._waiting:
            cache_row = self._model.cache.take()
            if cache_row is None:
                return
            row = self._waiting.popleft()
            row.cache_row = cache_row
            self._rows.append(row)

    def _step(self) -> None:
        batch = plan_batch(self._rows, prefill_tokens=self._prefill_tokens)
        finishing = batch.finishing
        logits = self._model.forward(build_step(batch, self._model.slab, self._device))
        self._advance(batch)
        if not finishing:
            return
        choices = choose(
            logits,
            [row.sampling for row in finishing],
            margins=[row.wants_margins for row in finishing],
        )
        for row, choice in zip(finishing, choices, strict=True):
            self._deliver(row, choice)

    def _advance(self, batch: Batch) -> None:
        for row in batch.decode:
            row.length += 1
        for piece in batch.pieces:
            piece.row.length += piece.count

    def _deliver(self, row: Row, choice: Choice) -> None:
        if choice.token_id is None:
            error = AnswerFailed(
                "the logits of this answer are not finite", fix="Stop this version and check it."
            )
            self._post(row, error)
            self._drop(row)
            return
        row.answer.append(choice.token_id)
        text, finish = "", None
        if choice.token_id in self._eos_ids:
            finish = "stop"
        else:
            text = row.text.push(choice.token_id)
            finish = "stop" if row.text.is_stopped else None
        if finish is None and len(row.answer) == row.limit:
            finish = "length"
        if finish is not None:
            text += row.text.flush()
        self._post(row, self._event(row, choice, text, finish))
        if finish is not None:
            self._drop(row)

    def _event(self, row: Row, choice: Choice, text: str, finish: str | None) -> TokenEvent:
        ending: Finish | None = (
            None if finish is None else ("stop" if finish == "stop" else "length")
        )
        return TokenEvent(
            token_id=row.answer[-1],
            text=text,
            digest=row.digest,
            finish=ending,
            margin=choice.margin,
            prompt_tokens=len(row.prompt) if ending else None,
            completion_tokens=len(row.answer) if ending else None,
        )

    def _drop(self, row: Row) -> None:
        """Free what ``row`` holds: its cache row, and its pin on the slot."""
        if row.is_over:
            return
        row.is_over = True
        if row.cache_row >= 0:
            self._rows.remove(row)
            self._model.cache.free(row.cache_row, used=row.length)
        else:
            self._waiting.remove(row)
        if row.entry is not None:
            self._table.release(row.entry)

    def _post(self, row: Row, item: Item) -> None:
        self._outbox.setdefault(row.loop, []).append((row, item))

    def _hand_out(self) -> None:
        """One wake-up an event loop and step, however many rows it waits for."""
        for loop, items in self._outbox.items():
            try:
                loop.call_soon_threadsafe(_put_all, items)
            except RuntimeError:  # the loop is closed: nobody waits for these rows any more
                for row, _ in items:
                    self._drop(row)
        self._outbox = {}

    def _end_all(self, error: AnswerFailed) -> None:
        with self._gate:
            self._is_open = False
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                break
            if isinstance(message, _Join):
                self._waiting.append(message.row)
        for row in [*self._rows, *self._waiting]:
            self._post(row, error)
            self._drop(row)
        self._hand_out()


def _put_all(items: list[tuple[Row, Item]]) -> None:
    for row, item in items:
        row.queue.put_nowait(item)
