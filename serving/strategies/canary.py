"""A growing share of the traffic, judged after every answer."""

from collections.abc import Sequence

from serving.domain.steps import PlannedStep, Situation
from serving.states import StepKind
from serving.strategies.base import Strategy


class CanaryStrategy(Strategy):
    """load → evaluate → (set weight → analyse) for each stage → promote → unload the old.

    A first revision has nothing to be compared with: load → evaluate → promote.
    """

    key = "canary"
    title = "Canary"

    def steps(self, situation: Situation) -> Sequence[PlannedStep]:
        """See ``Strategy.steps``; stage numbers begin at 1 and mark each answer."""
        steps = [PlannedStep(StepKind.LOAD), PlannedStep(StepKind.EVALUATE)]
        if situation.has_stable:
            for stage, weight_percent in enumerate(situation.stages, start=1):
                params = {"stage": stage, "weight_percent": weight_percent}
                steps.append(PlannedStep(StepKind.SET_WEIGHT, params))
                steps.append(PlannedStep(StepKind.ANALYSE, params))
        steps.append(PlannedStep(StepKind.PROMOTE))
        if situation.has_stable:
            steps.append(PlannedStep(StepKind.UNLOAD))
        return steps
