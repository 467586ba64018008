"""Back to an earlier revision that was approved and judged before."""

from collections.abc import Sequence

from serving.domain.steps import PlannedStep, Situation
from serving.states import ROLLBACK, StepKind
from serving.strategies.base import Strategy


class RollbackStrategy(Strategy):
    """load → promote → unload. Where the earlier version is still loaded this takes no time."""

    key = ROLLBACK
    title = "Rollback"

    def steps(self, situation: Situation) -> Sequence[PlannedStep]:
        """See ``Strategy.steps``."""
        return (
            PlannedStep(StepKind.LOAD),
            PlannedStep(StepKind.PROMOTE),
            PlannedStep(StepKind.UNLOAD),
        )
