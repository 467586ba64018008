"""Failures: a broken output contract, an empty answer, an error, a timeout."""

from collections.abc import Sequence

from compliance.domain.sequential import (
    Evidence,
    not_inferior,
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
        """See ``Signal.read``; safe by the policy's rule, the bound or non-inferiority."""
        counted = self.as_stages(stages)
        alpha = policy.signal_alpha
        answers = sum(stage.canary_answers for stage in counted)
        failures = sum(stage.canary_failures for stage in counted)
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
        malformed = sum(stage.canary.malformed for stage in stages)
        trigger = Trigger.CONTRACT_BROKEN if 2 * malformed > failures else Trigger.ERROR_RATE_HIGH
        return self.reading(
            counted,
            worse=_sane(against),
            safe=_sane(safe),
            trigger=trigger,
            needed_requests=needed,
            detail={"rule": policy.failure_rule, "malformed": malformed},
        )


def _sane(evidence: Evidence) -> Evidence:
    """Keep the logarithm inside what a database column and a chart can show."""
    return Evidence(max(-1e6, min(1e6, evidence.log_e)), evidence.threshold)
