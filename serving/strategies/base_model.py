"""The base model under a name of its own, by an operator's act."""

from collections.abc import Sequence

from serving.domain.steps import PlannedStep, Situation
from serving.states import StepKind
from serving.strategies.base import Strategy


class BaseModelStrategy(Strategy):
    """promote: there is no adapter to load or to compare; the reason is on record."""

    key = "base"
    title = "Base model"

    def steps(self, situation: Situation) -> Sequence[PlannedStep]:
        """See ``Strategy.steps``."""
        return (PlannedStep(StepKind.PROMOTE),)
