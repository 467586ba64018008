"""Everything at once to a version that was loaded beside the old one, which stays warm."""

from collections.abc import Sequence

from serving.domain.steps import PlannedStep, Situation
from serving.states import StepKind
from serving.strategies.base import Strategy


class BlueGreenStrategy(Strategy):
    """load everywhere → evaluate → switch 0 → 100 % → watch → promote → unload the old.

    Until the promotion the old version is stable: it stays loaded on every node, and taking the
    switch back is one write. At 100 % there is no control arm, so the watch is monitoring against
    limits, not a comparison. A first revision has no old version: load → evaluate → promote.
    """

    key = "blue_green"
    title = "Blue-green"

    def steps(self, situation: Situation) -> Sequence[PlannedStep]:
        """See ``Strategy.steps``."""
        steps = [
            PlannedStep(StepKind.LOAD, {"is_everywhere": True}),
            PlannedStep(StepKind.EVALUATE),
        ]
        if situation.has_stable:
            params = {"stage": 1, "weight_percent": 100, "report_limit": situation.report_limit}
            steps.append(PlannedStep(StepKind.SET_WEIGHT, params))
            steps.append(PlannedStep(StepKind.ANALYSE, params))
        steps.append(PlannedStep(StepKind.PROMOTE))
        if situation.has_stable:
            steps.append(PlannedStep(StepKind.UNLOAD))
        return steps
