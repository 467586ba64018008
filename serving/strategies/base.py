"""What a strategy is: a list of small steps."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from serving.domain.steps import PlannedStep, Situation


class Strategy(ABC):
    """Expands into steps once, when a rollout starts; the list is stored and never changed.

    Each step is exactly one of ``StepKind``; the service that runs a kind also knows how to undo
    it.
    """

    key: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def steps(self, situation: Situation) -> Sequence[PlannedStep]:
        """The steps in order."""
