"""Anytime-valid evidence about a canary: e-values that may be looked at after every answer.

Every request goes to the canary independently with the stage's share, so a failed request is on
the canary with probability ``share * r / (share * r + 1 - share)``, whatever the failure rate is at
that moment; ``r`` is the ratio of the two sides' failure rates. Under the hypothesis each e-value
has an expectation of at most 1 at any stopping time, so by Ville's inequality the chance that it
ever reaches ``1 / alpha`` is at most ``alpha``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, inf, log

RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""Failure ratios over which the alternative is mixed with equal weights."""
CLEAN_WEIGHT = 0.95
"""Weight of "never fails" in the bound on the candidate's own failure rate."""
RATE_FRACTIONS = (0.1, 0.2, 1 / 3, 0.5)
"""The other alternatives of that bound, as fractions of the rate that is to be excluded."""


@dataclass(frozen=True)
class Stage:
    """What was counted while one weight was set.

    ``canary_share``: the share of requests routed to the canary, above 0 and below 1. At 1 there is
    no control arm; that is monitoring and not a stage of a comparison.
    """

    canary_share: float
    canary_answers: int
    canary_failures: int
    stable_answers: int
    stable_failures: int

    def __post_init__(self) -> None:
        if not 0 < self.canary_share < 1:
            raise ValueError(f"canary share {self.canary_share} leaves no control arm")
        if not 0 <= self.canary_failures <= self.canary_answers:
            raise ValueError(f"{self.canary_failures} failures among {self.canary_answers} answers")
        if not 0 <= self.stable_failures <= self.stable_answers:
            raise ValueError(f"{self.stable_failures} failures among {self.stable_answers} answers")

    @property
    def failures(self) -> int:
        """Failures of both sides."""
        return self.canary_failures + self.stable_failures


@dataclass(frozen=True)
class Evidence:
    """An e-value against a hypothesis and the threshold that it has to reach.

    ``log_e``: natural logarithm of the e-value; ``threshold``: ``1 / alpha`` of this signal.
    """

    log_e: float
    threshold: float

    @property
    def is_decided(self) -> bool:
        """Whether the hypothesis is refuted at this signal's alpha."""
        # A rounding error of the logarithm must not undo the exact equality of both sides.
        return self.log_e >= log(self.threshold) - 1e-9

    @property
    def e_value(self) -> float:
        """The e-value itself; infinite where it does not fit into a float."""
        return exp(self.log_e) if self.log_e < 700 else inf


def split_alpha(alpha: float, signals: int) -> float:
    """The alpha of each of several signals, so that all together keep ``alpha`` (Bonferroni)."""
    if not 0 < alpha < 1 or signals < 1:
        raise ValueError(f"alpha {alpha} can't be split over {signals} signals")
    return alpha / signals


def failure_share(canary_share: float, ratio: float) -> float:
    """Probability that a failure is on the canary when it fails ``ratio`` times as often."""
    return canary_share * ratio / (canary_share * ratio + 1 - canary_share)


def worse(stages: Sequence[Stage], *, alpha: float, ratios: Sequence[float] = RATIOS) -> Evidence:
    """Evidence against "the canary fails no more often than stable"; decided means roll back.

    Stages with different weights are multiplied, ratio by ratio, before the mixture is taken.
    """
    gains = [_worse_gains(stage.canary_share, tuple(ratios)) for stage in stages]
    return Evidence(_log_mean(_log_likelihoods(stages, gains, len(ratios))), 1 / alpha)


def not_inferior(
    stages: Sequence[Stage],
    *,
    margin_ratio: float,
    alpha: float,
    ratios: Sequence[float] = RATIOS,
) -> Evidence:
    """Evidence against "the canary fails at least ``margin_ratio`` times as often".

    The mirror of :func:`worse`: the alternatives are ``margin_ratio`` divided by each ratio.
    """
    if margin_ratio <= 1:
        raise ValueError(f"margin ratio {margin_ratio} must be above 1")
    gains = [_safe_gains(s.canary_share, margin_ratio, tuple(ratios)) for s in stages]
    return Evidence(_log_mean(_log_likelihoods(stages, gains, len(ratios))), 1 / alpha)


def rate_below(failures: int, answers: int, *, rate: float, alpha: float) -> Evidence:
    """Evidence against "the candidate's own failure rate is at least ``rate``".

    A mixture over "never fails" and fractions of ``rate``; 59 answers without a failure exclude 5 %
    at alpha 0.05, as the fixed-size bound does, and a failure costs answers but not the test.
    """
    if not 0 < rate < 1 or not 0 <= failures <= answers:
        raise ValueError(f"{failures} of {answers} can't be compared with a rate of {rate}")
    clean = answers - failures
    logs = [log(CLEAN_WEIGHT) - clean * log(1 - rate)] if failures == 0 else []
    other = log((1 - CLEAN_WEIGHT) / len(RATE_FRACTIONS))
    for failed, passed in _below_gains(rate):
        logs.append(other + failures * failed + clean * passed)
    return Evidence(_log_sum(logs), 1 / alpha)


def rate_above(failures: int, answers: int, *, rate: float, alpha: float) -> Evidence:
    """Evidence against "the candidate's own failure rate is at most ``rate``" (no control arm).

    For monitoring at full weight: a mixture over ``rate`` times each ratio, capped at one half of
    the way to 1.
    """
    if not 0 < rate < 1 or not 0 <= failures <= answers:
        raise ValueError(f"{failures} of {answers} can't be compared with a rate of {rate}")
    clean = answers - failures
    logs = [failures * failed + clean * passed for failed, passed in _above_gains(rate)]
    return Evidence(_log_mean(logs), 1 / alpha)


def requests_until_clean(evidence: Evidence, *, rate: float, canary_share: float) -> int:
    """About how many more requests decide :func:`rate_below` if no further answer fails."""
    missing = log(evidence.threshold) - evidence.log_e
    if missing <= 0:
        return 0
    return ceil(ceil(missing / -log(1 - rate) - 1e-9) / canary_share)


def requests_until_decided(
    evidence: Evidence,
    *,
    canary_share: float,
    stable_rate: float,
    true_ratio: float,
    tested_ratio: float,
) -> int | None:
    """About how many more requests a comparison needs, by the mean growth of its best alternative.

    ``tested_ratio``: 1 for :func:`worse`, the margin for :func:`not_inferior`; ``true_ratio``: what
    is assumed (1 for a harmless candidate). None: under that assumption it is never decided.
    """
    missing = log(evidence.threshold) - evidence.log_e
    if missing <= 0:
        return 0
    growth = growth_per_request(
        canary_share=canary_share,
        stable_rate=stable_rate,
        true_ratio=true_ratio,
        tested_ratio=tested_ratio,
    )
    return ceil(missing / growth) if growth > 0 else None


def growth_per_request(
    *, canary_share: float, stable_rate: float, true_ratio: float, tested_ratio: float
) -> float:
    """Mean growth of the log e-value by one request, for the alternative that grows fastest."""
    edge = failure_share(canary_share, tested_ratio)
    truth = failure_share(canary_share, true_ratio)
    upward = true_ratio > tested_ratio
    failing = stable_rate * (canary_share * true_ratio + 1 - canary_share)
    best = 0.0
    for ratio in RATIOS:
        tried = tested_ratio * ratio if upward else tested_ratio / ratio
        share = failure_share(canary_share, tried)
        gain = truth * log(share / edge) + (1 - truth) * log((1 - share) / (1 - edge))
        best = max(best, gain)
    return min(failing, 1.0) * best


Gains = tuple[tuple[float, float], ...]
"""For each alternative: what a failure on the canary adds to log e, and one on stable; or, of one
side alone, a failed answer and one in order. Looked up again at each of thousands of looks."""


@lru_cache(maxsize=256)
def _worse_gains(canary_share: float, ratios: tuple[float, ...]) -> Gains:
    return _gains(canary_share, canary_share, ratios)


@lru_cache(maxsize=256)
def _safe_gains(canary_share: float, margin_ratio: float, ratios: tuple[float, ...]) -> Gains:
    edge = failure_share(canary_share, margin_ratio)
    return _gains(canary_share, edge, [margin_ratio / ratio for ratio in ratios])


def _gains(canary_share: float, edge: float, tried: Sequence[float]) -> Gains:
    shares = [failure_share(canary_share, ratio) for ratio in tried]
    return tuple((log(share / edge), log((1 - share) / (1 - edge))) for share in shares)


@lru_cache(maxsize=256)
def _below_gains(rate: float) -> Gains:
    return tuple((log(part), log((1 - rate * part) / (1 - rate))) for part in RATE_FRACTIONS)


@lru_cache(maxsize=256)
def _above_gains(rate: float) -> Gains:
    tried = [min(rate * ratio, (1 + rate) / 2) for ratio in RATIOS]
    return tuple((log(higher / rate), log((1 - higher) / (1 - rate))) for higher in tried)


def _log_likelihoods(
    stages: Sequence[Stage], gains: Sequence[Gains], alternatives: int
) -> list[float]:
    logs = [0.0] * alternatives
    for stage, of_stage in zip(stages, gains, strict=True):
        canary, stable = stage.canary_failures, stage.stable_failures
        logs = [
            total + (canary * on_canary + stable * on_stable)
            for total, (on_canary, on_stable) in zip(logs, of_stage, strict=True)
        ]
    return logs


def _log_sum(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + log(sum([exp(value - top) for value in logs]))


def _log_mean(logs: Sequence[float]) -> float:
    return _log_sum(logs) - log(len(logs))
