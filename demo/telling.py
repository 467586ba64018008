"""What the demo prints: chapters in plain words, and a bar for whatever takes long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

WIDTH = 78


def chapter(title: str) -> None:
    """A heading."""
    print(f"\n── {title} {'─' * max(3, WIDTH - len(title) - 4)}", flush=True)


def say(text: str) -> None:
    """One sentence."""
    print(f"   {text}", flush=True)


@contextmanager
def progress(title: str, total: int) -> Iterator["tqdm[None]"]:
    """A bar to ``total``; on a log that is no terminal it prints every few seconds."""
    bar: tqdm[None] = tqdm(
        total=total,
        desc=f"   {title}",
        file=sys.stdout,
        ncols=WIDTH,
        mininterval=0.2 if sys.stdout.isatty() else 5.0,
        bar_format="{desc} {bar} {n_fmt}/{total_fmt}",
    )
    try:
        yield bar
    finally:
        bar.close()


def advance_to(bar: "tqdm[None]", done: int) -> None:
    """Move the bar to ``done``."""
    bar.update(max(0, done - bar.n))
