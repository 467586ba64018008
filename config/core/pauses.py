"""Pauses between looks at what ends by itself: short at first, then longer and longer."""

from collections.abc import Iterator

FIRST_SECONDS = 0.02
GROWTH = 1.5


def growing(*, longest_seconds: float) -> Iterator[float]:
    """Seconds to pause: what ends at once is seen at once, what takes long is rarely asked for."""
    pause_seconds = min(FIRST_SECONDS, longest_seconds)
    while True:
        yield pause_seconds
        pause_seconds = min(GROWTH * pause_seconds, longest_seconds)
