"""What a rollout is made of, and how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.states import RolloutState, StepKind, StepState


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step as a strategy plans it; ``params`` hold plain JSON values."""

    kind: StepKind
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a strategy needs to know: ``has_stable``: something answers for the deployment now.

    ``report_limit``: the share of reported answers that takes a switch back; stable gets no
    answers after it, so the limit is set before.
    """

    stages: tuple[int, ...]
    has_stable: bool
    report_limit: float = 0.0


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step's state and, while it runs, the share of it that is done."""

    kind: str
    state: str
    share: float = 0.0


FINAL = (StepState.DONE, StepState.SKIPPED, StepState.UNDONE)
_WEIGHT: Mapping[str, float] = {
    StepKind.LOAD: 1,
    StepKind.EVALUATE: 3,
    StepKind.ANALYSE: 6,
    StepKind.UNLOAD: 0,
}


def progress_percentage(state: str, steps: Sequence[StepProgress]) -> int:
    """How much of a rollout is done, 100 only when it has ended.

    Steps count by how long they usually take; a running one by its share.
    """
    if state in {RolloutState.PROMOTED, RolloutState.ROLLED_BACK, RolloutState.ABORTED}:
        return 100
    total = sum(_WEIGHT.get(step.kind, 0.5) for step in steps)
    if not total:
        return 0
    if state in {RolloutState.ROLLING_BACK, RolloutState.ABORTING}:
        done = sum(_WEIGHT.get(s.kind, 0.5) for s in steps if s.state != StepState.DONE)
    else:
        done = sum(
            _WEIGHT.get(step.kind, 0.5) * (1 if step.state in FINAL else min(1.0, step.share))
            for step in steps
            if step.state in FINAL or step.state == StepState.RUNNING
        )
    return min(99, int(100 * done / total))
