"""Failures: a broken output contract, an empty answer, an error, a timeout."""

from collections.abc import Sequence

from compliance.domain.sequential import (
    not_inferior,
    rate_above,
    rate_below,
    requests_until_clean,
    worse,
)
from serving.analysis.base import Signal, stable_rate, until_not_inferior
from serving.domain.policy import DeploymentPolicy
from serving.domain.verdicts import ArmCounts, Reading, StageCounts
from serving.states import Trigger


class FailureSignal(Signal):
    """Technical failures, judged on every routed answer, also on those that stable replaced."""

    key = "failures"

    def pair(self, side: ArmCounts) -> tuple[int, int]:
        """See ``Signal.pair``."""
        return side.answers, side.failures

    def read(self, stages: Sequence[StageCounts], *, policy: DeploymentPolicy) -> Reading:
        """See ``Signal.read``; safe by the policy's rule, the bound or non-inferiority.

        While everything goes to the candidate both sides are judged against
        ``max_failure_rate``, because nothing is left to compare with.
        """
        if stages and stages[-1].is_watch:
            return self._watch(stages, policy)
        counted = self.as_stages(stages)
        alpha = policy.signal_alpha
        answers = sum([stage.canary_answers for stage in counted])
        failures = sum([stage.canary_failures for stage in counted])
        share = stages[-1].weight_percent / 100 if stages else policy.stages[0] / 100
        against = worse(counted, alpha=alpha)
        if policy.failure_rule == "bound":
            safe = rate_below(failures, answers, rate=policy.max_failure_rate, alpha=alpha)
            needed: int | None = requests_until_clean(
                safe, rate=policy.max_failure_rate, canary_share=share
            )
        else:
            safe = not_inferior(counted, margin_ratio=policy.margin_ratio, alpha=alpha)
            needed = until_not_inferior(
                safe,
                canary_share=share,
                rate=stable_rate(counted),
                margin_ratio=policy.margin_ratio,
            )
        malformed = _malformed(stages)
        return self.compared(
            counted,
            worse=against,
            safe=safe,
            trigger=_trigger(malformed, failures),
            needed_requests=needed,
            detail={"rule": policy.failure_rule, "malformed": malformed},
        )

    def _watch(self, stages: Sequence[StageCounts], policy: DeploymentPolicy) -> Reading:
        answers, failures = self.watched(stages)
        rate, alpha = policy.max_failure_rate, policy.signal_alpha
        safe = rate_below(failures, answers, rate=rate, alpha=alpha)
        malformed = _malformed(stages)
        return self.reading(
            (answers, failures, 0, 0),
            worse=rate_above(failures, answers, rate=rate, alpha=alpha),
            safe=safe,
            trigger=_trigger(malformed, failures),
            needed_requests=requests_until_clean(safe, rate=rate, canary_share=1.0),
            detail={"rule": "watch", "malformed": malformed},
        )


def _malformed(stages: Sequence[StageCounts]) -> int:
    return sum([stage.canary.malformed for stage in stages])


def _trigger(malformed: int, failures: int) -> Trigger:
    is_form = 2 * malformed > failures
    return Trigger.CONTRACT_BROKEN if is_form else Trigger.ERROR_RATE_HIGH
