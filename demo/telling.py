"""What the demo prints: chapters in plain words, and a bar for whatever takes long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

WIDTH = 78
STEPS = 5


class Progress:
    """A bar on a terminal; on a log, a line at each fifth of the way."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._done = 0
        self._told = 0
        self._bar: tqdm[None] | None = None
        if sys.stdout.isatty():
            self._bar = tqdm(
                total=total,
                desc=f"   {title}",
                file=sys.stdout,
                ncols=WIDTH,
                bar_format="{desc} {bar} {n_fmt}/{total_fmt}",
            )

    def to(self, done: int) -> None:
        """``done`` of the total is reached; it never goes back."""
        more = max(0, min(done, self._total) - self._done)
        self._done += more
        if self._bar is not None:
            self._bar.update(more)
        elif self._done * STEPS // self._total > self._told:
            self._told = self._done * STEPS // self._total
            say(f"{self._title}: {self._done} of {self._total}")

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._bar is not None:
            self._bar.close()


def chapter(title: str) -> None:
    """A heading."""
    print(f"\n── {title} {'─' * max(3, WIDTH - len(title) - 4)}", flush=True)


def say(text: str) -> None:
    """One sentence."""
    print(f"   {text}", flush=True)


@contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """Show how far something is."""
    bar = Progress(title, max(1, total))
    try:
        yield bar
    finally:
        bar.close()
