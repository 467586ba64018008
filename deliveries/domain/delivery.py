"""When a delivery is tried again: pure decisions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``pauses_seconds``: one a retry; ``most_lost``: workers that may fall silent over one job."""

    pauses_seconds: tuple[float, ...] = (1.0, 2.0, 4.0)
    most_lost: int = 5


@dataclass(frozen=True, slots=True)
class TryAgain:
    """After so long a pause; ``retries_left`` counts those after the coming one too."""

    pause_seconds: float
    retries_left: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It ends as failed."""


Next = TryAgain | GiveUp


def after_failure(policy: RetryPolicy, *, failures: int, is_final: bool) -> Next:
    """What follows the ``failures``-th failed try, counted from 1.

    ``is_final``: trying again can't help, because we ourselves refuse to do it.
    """
    if is_final or failures > len(policy.pauses_seconds):
        return GiveUp()
    return TryAgain(
        pause_seconds=policy.pauses_seconds[failures - 1],
        retries_left=len(policy.pauses_seconds) - failures + 1,
    )


def after_loss(policy: RetryPolicy, *, lost: int, failures: int) -> Next:
    """What follows when the worker of a try fell silent for the ``lost``-th time."""
    if lost >= policy.most_lost:
        return GiveUp()
    return TryAgain(pause_seconds=0.0, retries_left=max(0, len(policy.pauses_seconds) - failures))
