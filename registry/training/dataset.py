"""Token ids of examples, and the order in which they are learned."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from registry.training.base import Example

LEAST_TOKENS = 2


@dataclass(frozen=True)
class Row:
    """Token ids, and the place from which on they are learned."""

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Encoded:
    """The rows; ``too_long`` dialogues had no room for their answer and are left out."""

    rows: Sequence[Row]
    too_long: int
    tokens: int


def encode(tokenizer: Any, examples: Sequence[Example], *, max_tokens: int) -> Encoded:
    """Rows of at most ``max_tokens``: long texts are cut into pieces, dialogues are kept whole."""
    rows: list[Row] = []
    too_long = 0
    for example in examples:
        if not example.turns:
            rows += _pieces(tokenizer, example.answer, max_tokens)
            continue
        row = _dialogue(tokenizer, example)
        if len(row.ids) > max_tokens:
            too_long += 1
        else:
            rows.append(row)
    return Encoded(rows, too_long, sum(len(row.ids) - row.start for row in rows))


def _pieces(tokenizer: Any, text: str, max_tokens: int) -> list[Row]:
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    cut = [ids[at : at + max_tokens] for at in range(0, len(ids), max_tokens)]
    # The first token of a piece has nothing before it from which it could be told.
    return [Row(tuple(piece), 1) for piece in cut if len(piece) >= LEAST_TOKENS]


def _dialogue(tokenizer: Any, example: Example) -> Row:
    """The base's own chat template up to the answer, the answer, and the end token."""
    turns = [{"role": turn.role, "content": turn.content} for turn in example.turns]
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    else:
        text = "".join(f"{turn['content']}\n" for turn in turns)
    asked = tokenizer.encode(text, add_special_tokens=False)
    said = tokenizer.encode(example.answer, add_special_tokens=False)
    return Row((*asked, *said, tokenizer.eos_token_id), max(1, len(asked)))


def epoch_batches(
    rows: Sequence[Row], *, batch_size: int, batches_a_step: int, seed: int, epoch: int
) -> Iterator[list[list[Row]]]:
    """The batches of each step of one epoch; they depend on nothing but the arguments.

    The order is drawn anew each epoch, whatever was drawn before it, so that a training can go on
    in the middle. Within a step rows of like length share a batch, so that little is padded.
    """
    order = list(range(len(rows)))
    random.Random(f"{seed}-{epoch}").shuffle(order)  # noqa: S311 - repeatable on purpose
    span = batch_size * batches_a_step
    for start in range(0, len(order), span):
        chosen = sorted((rows[i] for i in order[start : start + span]), key=lambda r: len(r.ids))
        yield [chosen[at : at + batch_size] for at in range(0, len(chosen), batch_size)]
