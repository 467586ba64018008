"""When a trainer or a courier is missing, and when one that is there is late."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.domain.facts import BrokerFacts, WorkFact

TRAINING, DELIVERIES = "training", "deliveries"
WORKER_SILENT_SECONDS = 30.0
# Work that is due is nudged every few seconds; what nobody began by then, nobody will.
LATE_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Work of a queue that is due and that nobody has begun, or goes on with."""

    queue: str
    message: str
    since: datetime


def served_queues(broker: BrokerFacts) -> set[str]:
    """Queues that a living worker takes tasks from."""
    return {
        queue
        for name, queues in broker.workers.items()
        if broker.ages_seconds.get(name, 0.0) <= WORKER_SILENT_SECONDS
        for queue in queues
    }


def needs_trainer(broker: BrokerFacts, work: WorkFact) -> bool:
    """Whether somebody counts on a trainer: a training is open, or one was here within a day.

    A house that trains nothing needs none.
    """
    was_here = any(TRAINING in queues for queues in broker.workers.values())
    return was_here or bool(work.trainings_waiting or work.trainings_running)


def late(work: WorkFact, at: datetime) -> Iterator[Lateness]:
    """What should have been begun, or gone on with, two minutes ago."""
    if work.training_silent_since and at - work.training_silent_since > LATE_AFTER:
        said = "A training was left in the middle, and nobody goes on with it."
        yield Lateness(TRAINING, said, work.training_silent_since)
    elif work.training_due_since and at - work.training_due_since > LATE_AFTER:
        count = work.trainings_waiting
        said = "1 training waits" if count == 1 else f"{count} trainings wait"
        said = f"{said}, and the trainer has begun none."
        yield Lateness(TRAINING, said, work.training_due_since)
    if work.delivery_due_since and at - work.delivery_due_since > LATE_AFTER:
        said = "Prompts or webhooks are due, and the courier has not tried them."
        yield Lateness(DELIVERIES, said, work.delivery_due_since)
