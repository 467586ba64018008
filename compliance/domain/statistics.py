"""Intervals and tests for counts of right answers, in pure Python so that they can be replayed."""

from dataclasses import dataclass
from fractions import Fraction
from math import comb, exp, floor, log, sqrt
from statistics import NormalDist

ONE_SIDED = 0.95
SEARCH_LIMIT = 100_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its limits, all as shares between -1 and 1."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedCounts:
    """The same items answered twice: by the old version and by the new one.

    ``both``: both right; ``lost``: only the old one right; ``gained``: only the new one right;
    ``neither``: both wrong.
    """

    both: int
    lost: int
    gained: int
    neither: int

    @property
    def n(self) -> int:
        """How many items were compared."""
        return self.both + self.lost + self.gained + self.neither


def _z(one_sided_confidence: float) -> float:
    return NormalDist().inv_cdf(one_sided_confidence)


def wilson(hits: int, n: int, *, one_sided_confidence: float = ONE_SIDED) -> Interval:
    """Wilson's score interval; each limit holds with ``one_sided_confidence`` by itself.

    So 0.95 gives the two-sided 90 % interval, whose lower end is the one-sided 95 % bound, and
    0.975 the two-sided 95 % interval. Source: Wilson, JASA 22 (1927) 209.

    Raises:
        ValueError: ``n`` is below 1, or ``hits`` is not between 0 and ``n``.
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is not a share of at least one item")
    z = _z(one_sided_confidence)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Interval(share, low, high)


def newcombe_paired(counts: PairedCounts, *, one_sided_confidence: float = 0.975) -> Interval:
    """Difference of two paired shares, new minus old, with Newcombe's method 10.

    Source: Newcombe, Statistics in Medicine 17 (1998) 2635, method 10 (Wilson limits of both
    shares, correlation with a continuity correction). The default gives the two-sided 95 %
    interval.

    Raises:
        ValueError: nothing was compared.
    """
    n = counts.n
    new_hits, old_hits = counts.both + counts.gained, counts.both + counts.lost
    new = wilson(new_hits, n, one_sided_confidence=one_sided_confidence)
    old = wilson(old_hits, n, one_sided_confidence=one_sided_confidence)
    margins = new_hits * (n - new_hits) * old_hits * (n - old_hits)
    correlation = 0.0
    if margins > 0:
        excess: float = counts.both * counts.neither - counts.gained * counts.lost
        if excess > 0:
            excess = max(excess - n / 2, 0.0)
        correlation = excess / sqrt(margins)
    difference = (counts.gained - counts.lost) / n
    below = _combined(new.estimate - new.low, old.high - old.estimate, correlation)
    above = _combined(new.high - new.estimate, old.estimate - old.low, correlation)
    return Interval(difference, difference - below, difference + above)


def _combined(first: float, second: float, correlation: float) -> float:
    return sqrt(max(0.0, first * first - 2 * correlation * first * second + second * second))


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided exact p that changes in both directions are equally likely.

    Source: McNemar, Psychometrika 12 (1947) 153, with the binomial distribution of the changes.
    """
    changes = lost + gained
    tail = sum(comb(changes, k) for k in range(min(lost, gained) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**changes)))


def failure_rate_upper(failures: int, n: int, *, alpha: float = 0.05) -> float:
    """Exact one-sided upper bound (Clopper-Pearson) of a failure rate after ``failures`` in ``n``.

    With no failure it is ``1 - alpha ** (1 / n)``: 59 clean answers bound it below 5 %.

    Raises:
        ValueError: ``n`` is below 1, or ``failures`` is not between 0 and ``n``.
    """
    if n < 1 or not 0 <= failures <= n:
        raise ValueError(f"{failures} of {n} is not a share of at least one item")
    if failures == n:
        return 1.0
    if failures == 0:
        return 1 - alpha ** (1 / n)
    low, high = failures / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _binomial_at_most(failures, n, middle) > alpha:
            low = middle
        else:
            high = middle
    return high


def _binomial_at_most(k: int, n: int, rate: float) -> float:
    if rate >= 1:
        return 1.0 if k >= n else 0.0
    return sum(
        exp(log(comb(n, i)) + (i * log(rate) if i else 0.0) + (n - i) * log(1 - rate))
        for i in range(k + 1)
    )


def items_needed(
    target: float, rate: Fraction, *, one_sided_confidence: float = ONE_SIDED
) -> int | None:
    """How many items it takes until the lower Wilson bound at this rate reaches ``target``.

    Whole items only: of n items ``floor(rate * n)`` are right. Below a perfect rate the answer is
    the first multiple of 5 from 20 on, as such numbers are planned. None: the rate is too close to
    the target, or below it, for any realistic number.
    """
    step, n = (1, 1) if rate == 1 else (5, 20)
    if rate <= Fraction(target).limit_denominator(10**6):
        return None
    while n <= SEARCH_LIMIT:
        if wilson(floor(rate * n), n, one_sided_confidence=one_sided_confidence).low >= target:
            return n
        n += step if n < 2000 else n // 20
    return None


def items_needed_paired(counts: PairedCounts, margin: float) -> int | None:
    """About how many paired items it takes until Newcombe's lower limit lies above ``-margin``.

    The shares of the four outcomes are held as they were seen. None: the difference itself is not
    above the margin.
    """
    n = counts.n
    if Fraction(counts.gained - counts.lost, n) <= -Fraction(margin).limit_denominator(10**6):
        return None
    factor = 1.0
    while factor * n <= SEARCH_LIMIT:
        scaled = PairedCounts(
            both=round(counts.both * factor),
            lost=round(counts.lost * factor),
            gained=round(counts.gained * factor),
            neither=round(counts.neither * factor),
        )
        if newcombe_paired(scaled).low > -margin:
            return scaled.n
        factor *= 1.05
    return None
