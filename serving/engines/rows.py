"""The rows in flight, and which of their tokens go into the next step."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch

from serving.engines.base import TokenEvent
from serving.engines.llama.model import PrefillPiece, Step
from serving.engines.llama.slab import LoraSlab, Segment
from serving.engines.sampling import Sampling
from serving.engines.slots import SlotEntry
from serving.engines.text import TextStream

Item = TokenEvent | Exception


@dataclass(eq=False, slots=True)
class Row:
    """One answer in flight; after ``submit`` only the model's thread changes it.

    ``entry`` None: the base. ``length``: tokens in the cache. ``queue`` belongs to ``loop``.
    """

    prompt: Sequence[int]
    limit: int
    entry: SlotEntry | None
    digest: str
    sampling: Sampling
    text: TextStream
    wants_margins: bool
    loop: asyncio.AbstractEventLoop
    queue: "asyncio.Queue[Item]"
    cache_row: int = -1
    length: int = 0
    answer: list[int] = field(default_factory=list)
    is_over: bool = False

    @property
    def slot(self) -> int | None:
        """The slot of its adapter, None for the base."""
        return None if self.entry is None else self.entry.slot

    @property
    def is_prefilling(self) -> bool:
        """Whether prompt tokens are still missing in the cache."""
        return self.length < len(self.prompt)


@dataclass(frozen=True, slots=True)
class Piece:
    """The next ``count`` prompt tokens of a row."""

    row: Row
    count: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one step: decode rows in slot order (base last), then prompt pieces."""

    decode: Sequence[Row]
    pieces: Sequence[Piece]

    @property
    def finishing(self) -> list[Row]:
        """Rows that get a token from this step, in the order of its logits."""
        ended = [p.row for p in self.pieces if p.row.length + p.count == len(p.row.prompt)]
        return [*self.decode, *ended]


def _slot_order(row: Row) -> tuple[bool, int]:
    return (row.slot is None, row.slot or 0)


def plan_batch(rows: Iterable[Row], *, prefill_tokens: int) -> Batch:
    """Every decoding row, and prompt tokens up to ``prefill_tokens``, first come first served.

    The limit keeps a long prompt from holding up the rows that decode: it is spread over steps.
    """
    decode: list[Row] = []
    waiting: deque[Row] = deque()
    for row in rows:
        (waiting if row.is_prefilling else decode).append(row)
    pieces, left = [], prefill_tokens
    while waiting and left:
        row = waiting.popleft()
        count = min(left, len(row.prompt) - row.length)
        pieces.append(Piece(row, count))
        left -= count
    pieces.sort(key=lambda piece: _slot_order(piece.row))
    return Batch(sorted(decode, key=_slot_order), pieces)


def build_step(batch: Batch, slab: LoraSlab, device: torch.device) -> Step:
    """The tensors of ``batch``."""
    tokens = [row.answer[-1] for row in batch.decode]
    positions = [row.length for row in batch.decode]
    wanted = list(range(len(tokens)))
    pieces, prefill = [], []
    for piece in batch.pieces:
        row, start = piece.row, len(tokens)
        end = row.length + piece.count
        tokens += row.prompt[row.length : end]
        positions += range(row.length, end)
        pieces.append(PrefillPiece(row.cache_row, row.length, start, len(tokens)))
        if row.slot is not None:
            prefill.append(Segment(row.slot, start, len(tokens)))
        if end == len(row.prompt):
            wanted.append(len(tokens) - 1)
    return Step(
        tokens=torch.tensor(tokens, device=device),
        positions=torch.tensor(positions, device=device),
        decode_rows=torch.tensor(
            [row.cache_row for row in batch.decode], dtype=torch.long, device=device
        ),
        decode_lengths=torch.tensor(
            [row.length + 1 for row in batch.decode], dtype=torch.long, device=device
        ),
        pieces=pieces,
        wanted=torch.tensor(wanted, dtype=torch.long, device=device),
        lora=slab.plan(_segments(batch.decode), _merged(prefill)),
    )


def _segments(decode: Sequence[Row]) -> list[Segment]:
    """One segment a slot; base rows come last and have none."""
    segments: list[Segment] = []
    for index, row in enumerate(decode):
        if row.slot is not None:
            segments.append(Segment(row.slot, index, index + 1))
    return _merged(segments)


def _merged(segments: Iterable[Segment]) -> list[Segment]:
    """Neighbours of the same slot as one."""
    merged: list[Segment] = []
    for segment in segments:
        if merged and merged[-1].slot == segment.slot and merged[-1].end == segment.start:
            merged[-1] = Segment(segment.slot, merged[-1].start, segment.end)
        else:
            merged.append(segment)
    return merged
