"""News from the rooms below that webhooks are told of, a line each."""

from compliance.events import DigestStopped, VersionApproved
from config.core.events import subscribe
from registry.events import TrainingRunFinished
from serving.events import RolloutMoved


def connect() -> None:
    """Subscribe this room to the events that it hands on."""
    subscribe(RolloutMoved, _of_rollout)
    subscribe(VersionApproved, _of_approval)
    subscribe(DigestStopped, _of_stop)
    subscribe(TrainingRunFinished, _of_training)


def _of_rollout(event: RolloutMoved) -> None:
    from deliveries.services import webhook_news

    webhook_news.of_rollout(event)


def _of_approval(event: VersionApproved) -> None:
    from deliveries.services import webhook_news

    webhook_news.of_approval(event)


def _of_stop(event: DigestStopped) -> None:
    from deliveries.services import webhook_news

    webhook_news.of_stop(event)


def _of_training(event: TrainingRunFinished) -> None:
    from deliveries.services import webhook_news

    webhook_news.of_training(event)
