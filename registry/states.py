"""The state machines of the registry's jobs, as tables."""

from enum import StrEnum

from config.core.states import Transitions


class TrainingState(StrEnum):
    """A training run.

    ::

        queued ─▶ running ─▶ completed
          │ │        │ └───▶ failed
          │ └────────┼─────▶ failed     (the data was refused, or is gone)
          │          └─────▶ cancelling ─▶ cancelled
          └────────────────────────────▶ cancelled

    A worker that falls silent leaves the state; the next one begins another attempt.
    """

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"


TRAINING_MOVES: Transitions = {
    TrainingState.QUEUED: frozenset(
        {TrainingState.RUNNING, TrainingState.CANCELLED, TrainingState.FAILED}
    ),
    TrainingState.RUNNING: frozenset(
        {TrainingState.COMPLETED, TrainingState.FAILED, TrainingState.CANCELLING}
    ),
    TrainingState.CANCELLING: frozenset({TrainingState.CANCELLED}),
}
OPEN_TRAINING_STATES = (
    TrainingState.QUEUED,
    TrainingState.RUNNING,
    TrainingState.CANCELLING,
)
