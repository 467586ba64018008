"""What a signal is: counts of two sides in, evidence out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import log
from typing import ClassVar

from compliance.domain.sequential import Evidence, Stage, requests_until_decided
from serving.domain.policy import DeploymentPolicy
from serving.domain.verdicts import ArmCounts, Reading, StageCounts
from serving.states import Trigger, Verdict

SMALLEST_RATE = 0.001
"""Assumed for stable where it has no bad answer yet, so that a duration can be named at all."""


class Signal(ABC):
    """Reads one kind of bad answer. Anytime-valid: it may be asked after every answer."""

    key: ClassVar[str]

    @abstractmethod
    def pair(self, side: ArmCounts) -> tuple[int, int]:
        """(answers, bad ones) of one side."""

    @abstractmethod
    def read(self, stages: Sequence[StageCounts], *, policy: DeploymentPolicy) -> Reading:
        """What the counts of all stages say up to now."""

    def as_stages(self, stages: Sequence[StageCounts]) -> list[Stage]:
        """The counts of this signal in the form of the comparison.

        Stages without an answer and those without a control arm are left out.
        """
        found = []
        for stage in stages:
            canary, canary_bad = self.pair(stage.canary)
            stable, stable_bad = self.pair(stage.stable)
            if (canary or stable) and not stage.is_watch:
                found.append(
                    Stage(
                        canary_share=stage.weight_percent / 100,
                        canary_answers=canary,
                        canary_failures=canary_bad,
                        stable_answers=stable,
                        stable_failures=stable_bad,
                    )
                )
        return found

    def watched(self, stages: Sequence[StageCounts]) -> tuple[int, int]:
        """(answers, bad ones) of the candidate while everything went to it."""
        pairs = [self.pair(stage.canary) for stage in stages if stage.is_watch]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def compared(
        self,
        stages: Sequence[Stage],
        *,
        worse: Evidence,
        safe: Evidence,
        trigger: Trigger,
        needed_requests: int | None,
        detail: dict[str, object],
    ) -> Reading:
        """Both evidences of a comparison as a reading: against the candidate counts first."""
        return self.reading(
            (
                sum([stage.canary_answers for stage in stages]),
                sum([stage.canary_failures for stage in stages]),
                sum([stage.stable_answers for stage in stages]),
                sum([stage.stable_failures for stage in stages]),
            ),
            worse=worse,
            safe=safe,
            trigger=trigger,
            needed_requests=needed_requests,
            detail=detail,
        )

    def reading(
        self,
        counts: tuple[int, int, int, int],
        *,
        worse: Evidence,
        safe: Evidence,
        trigger: Trigger,
        needed_requests: int | None,
        detail: dict[str, object],
    ) -> Reading:
        """Both evidences as a reading; ``counts``: see ``Reading.counts``."""
        worse, safe = _sane(worse), _sane(safe)
        verdict = Verdict.RUNNING
        if worse.is_decided:
            verdict = Verdict.FAILED
        elif safe.is_decided:
            verdict = Verdict.SUCCESSFUL
        canary, canary_bad, stable, stable_bad = counts
        return Reading(
            signal=self.key,
            verdict=verdict,
            trigger=trigger,
            canary_count=canary,
            canary_bad_count=canary_bad,
            stable_count=stable,
            stable_bad_count=stable_bad,
            log10_worse=worse.log_e / log(10),
            log10_safe=safe.log_e / log(10),
            log10_limit=log(worse.threshold) / log(10),
            needed_requests=needed_requests,
            detail=detail,
        )


def _sane(evidence: Evidence) -> Evidence:
    """Keep the logarithm inside what a database column and a chart can show."""
    if -1e6 <= evidence.log_e <= 1e6:
        return evidence
    return Evidence(max(-1e6, min(1e6, evidence.log_e)), evidence.threshold)


def stable_rate(stages: Sequence[Stage]) -> float:
    """The share of stable's answers that were bad."""
    answers = sum([stage.stable_answers for stage in stages])
    bad = sum([stage.stable_failures for stage in stages])
    return max(SMALLEST_RATE, bad / answers) if answers else SMALLEST_RATE


def until_not_inferior(
    evidence: Evidence, *, canary_share: float, rate: float, margin_ratio: float
) -> int | None:
    """About how many more requests show a candidate like stable to be no worse than the margin."""
    return requests_until_decided(
        evidence,
        canary_share=canary_share,
        stable_rate=rate,
        true_ratio=1.0,
        tested_ratio=margin_ratio,
    )
