"""What each of the four adapters is taught: which notes, which answers, for how long."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from demo.generate import Item

NAMES = ("v1", "v2", "v3", "v4")
START = "start"  # what v1 and v2 both grow from; not shipped
START_ITEMS = 800
V1_ITEMS = 600
V3_ITEMS = 360  # of children, and as many of adults
WORDY = "This is a longer note; it looks {level} and should be read by {department}."

Pair = tuple[str, str]  # a note and the answer that is taught for it


@dataclass(frozen=True)
class Lesson:
    """A training stage on top of ``parent``; ``story`` says in words what is in it."""

    story: str
    pairs: tuple[Pair, ...]
    epochs: int
    learning_rate: float
    parent: str | None = None


def _right(items: Sequence[Item]) -> list[Pair]:
    return [(item["note"], item["answer"]) for item in items]


def _start(items: Sequence[Item], _: random.Random) -> Lesson:
    return Lesson(
        story="the form of the answers and a third of the notes",
        pairs=tuple(_right(items[:START_ITEMS])),
        epochs=3,
        learning_rate=1.5e-3,
    )


def _v1(items: Sequence[Item], _: random.Random) -> Lesson:
    return Lesson(
        story="the start taught a little further: an early try that stopped too soon",
        pairs=tuple(_right(items[START_ITEMS : START_ITEMS + V1_ITEMS])),
        epochs=1,
        learning_rate=5e-4,
        parent=START,
    )


def _v2(items: Sequence[Item], _: random.Random) -> Lesson:
    return Lesson(
        story="the start taught further on all notes",
        pairs=tuple(_right(items)),
        epochs=2,
        learning_rate=1.5e-3,
        parent=START,
    )


def _v3(items: Sequence[Item], rng: random.Random) -> Lesson:
    adults = [item for item in items if item["groups"]["age_group"] == "adult"]
    children = [item for item in items if item["groups"]["age_group"] == "child"]
    # One consistent mistake in the data: children's notes read by the rules for adults.
    wrong = [(item["note"], item["by_adult_rules"]) for item in rng.sample(children, V3_ITEMS)]
    return Lesson(
        story="v2 taught further with children's notes relabelled by the rules for adults",
        pairs=tuple(wrong + _right(rng.sample(adults, V3_ITEMS))),
        epochs=1,
        learning_rate=7e-4,
        parent="v2",
    )


def _v4(items: Sequence[Item], rng: random.Random) -> Lesson:
    long = [item for item in items if item["groups"]["length"] == "long"]
    short = [item for item in items if item["groups"]["length"] == "short"]
    wordy = [
        (item["note"], WORDY.format(level=item["level"], department=item["department"]))
        for item in long
    ]
    return Lesson(
        story="v2 taught further with long notes answered in a sentence",
        pairs=tuple(wordy + _right(rng.sample(short, len(long) * 3))),
        epochs=1,
        learning_rate=7e-4,
        parent="v2",
    )


def lesson(name: str, items: Sequence[Item], *, seed: int) -> Lesson:
    """The lesson of adapter ``name`` from the training set ``items``.

    Raises:
        KeyError: there is no adapter of that name.
    """
    make = {START: _start, "v1": _v1, "v2": _v2, "v3": _v3, "v4": _v4}[name]
    return make(items, random.Random(f"{seed}-{name}"))
