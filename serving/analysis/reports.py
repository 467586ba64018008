"""Reported answers: people or programs said through feedback that an answer was bad."""

from collections.abc import Sequence

from compliance.domain.sequential import Evidence, not_inferior, rate_above, worse
from serving.analysis.base import Signal, stable_rate, until_not_inferior
from serving.domain.policy import DeploymentPolicy, report_limit
from serving.domain.verdicts import ArmCounts, Reading, StageCounts
from serving.states import Trigger


class ReportSignal(Signal):
    """The share of shown answers that were reported; a late report counts when it arrives."""

    key = "reports"

    def pair(self, side: ArmCounts) -> tuple[int, int]:
        """See ``Signal.pair``; a report whose answer's row was lost can't exceed the answers."""
        return side.shown, min(side.reported, side.shown)

    def read(self, stages: Sequence[StageCounts], *, policy: DeploymentPolicy) -> Reading:
        """See ``Signal.read``; under ``watch`` it can only speak against the candidate.

        So it is while everything goes to the candidate: then the limit is ``max_report_rate``.
        """
        alpha = policy.signal_alpha
        if stages and stages[-1].is_watch:
            return self._watch(stages, policy)
        counted = self.as_stages(stages)
        share = stages[-1].weight_percent / 100 if stages else policy.stages[0] / 100
        needed: int | None = 0
        if policy.report_rule == "watch":
            safe = Evidence(0.0, 1.0)
        else:
            safe = not_inferior(counted, margin_ratio=policy.margin_ratio, alpha=alpha)
            needed = until_not_inferior(
                safe,
                canary_share=share,
                rate=stable_rate(counted),
                margin_ratio=policy.margin_ratio,
            )
        return self.compared(
            counted,
            worse=worse(counted, alpha=alpha),
            safe=safe,
            trigger=Trigger.ANSWERS_REPORTED,
            needed_requests=needed,
            detail={"rule": policy.report_rule},
        )

    def _watch(self, stages: Sequence[StageCounts], policy: DeploymentPolicy) -> Reading:
        shown, reported = self.watched(stages)
        limit = report_limit(policy, stable_rate=0.0)
        return self.reading(
            (shown, reported, 0, 0),
            worse=rate_above(reported, shown, rate=limit, alpha=policy.signal_alpha),
            safe=Evidence(0.0, 1.0),
            trigger=Trigger.ANSWERS_REPORTED,
            needed_requests=0,
            detail={"rule": "watch", "limit": f"{limit:.4g}"},
        )
