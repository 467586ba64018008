"""Turns the rooms' events into what webhooks are told: ids and digests, nobody's sentences."""

from compliance.events import DigestStopped, VersionApproved
from config.core.actors import SYSTEM
from deliveries.domain.webhook_events import OF_ROLLOUT
from deliveries.services import webhooks
from registry.events import TrainingRunFinished
from registry.models import TrainingRun, Version
from serving.events import RolloutMoved
from serving.models import Rollout


def of_rollout(event: RolloutMoved) -> None:
    """A rollout ended: promoted, or rolled back."""
    name = OF_ROLLOUT.get(event.what)
    if name is None:
        return
    rollout = Rollout.objects.select_related("deployment", "to_revision").get(pk=event.rollout_id)
    webhooks.announce(
        event=name,
        data={
            "rollout": str(rollout.uuid),
            "deployment": rollout.deployment.public_name,
            "strategy": rollout.strategy,
            "digest": rollout.to_revision.digest,
        },
        actor=SYSTEM,
    )


def of_approval(event: VersionApproved) -> None:
    """A version has all its signatures."""
    version = Version.objects.select_related("adapter").get(pk=event.version_id)
    webhooks.announce(event="version.approved", data=_named(version), actor=SYSTEM)


def of_stop(event: DigestStopped) -> None:
    """A digest is withdrawn everywhere."""
    webhooks.announce(event="stop.issued", data={"digest": event.digest}, actor=SYSTEM)


def of_training(event: TrainingRunFinished) -> None:
    """A training is over, however it ended."""
    run = TrainingRun.objects.select_related("adapter").get(pk=event.run_id)
    made = (
        None
        if event.version_id is None
        else Version.objects.select_related("adapter").get(pk=event.version_id)
    )
    webhooks.announce(
        event=f"training.{event.state}",
        data={
            "training_run": str(run.uuid),
            "adapter": run.adapter.ref,
            "state": event.state,
            "version": None if made is None else _named(made),
        },
        actor=SYSTEM,
    )


def _named(version: Version) -> dict[str, str]:
    return {
        "uuid": str(version.uuid),
        "adapter": version.adapter.ref,
        "version_name": version.version_name,
        "digest": version.digest,
    }
