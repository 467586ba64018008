"""News from the rooms below and from this one, a line each."""

from compliance.events import DigestStopped, EvaluationRequested, PermissionChanged
from config.core.events import subscribe
from registry.events import AvatarDeleted
from serving.events import ReplicaMoved, RolloutMoved


def connect() -> None:
    """Subscribe this room to the events that it answers."""
    subscribe(AvatarDeleted, _refuse_while_rolled_out)
    subscribe(EvaluationRequested, _run_or_load)
    subscribe(PermissionChanged, _reconcile)
    subscribe(DigestStopped, _look_at_rollouts)
    subscribe(ReplicaMoved, _go_on_with)
    subscribe(RolloutMoved, _end_what_failed)


def _refuse_while_rolled_out(event: AvatarDeleted) -> None:
    from serving.services import retirements

    if event.adapter_id is not None:
        retirements.refuse_in_use(adapter_id=event.adapter_id)


def _run_or_load(event: EvaluationRequested) -> None:
    from serving.services import nudges

    nudges.follow_evaluation(event.run_id)


def _reconcile(event: PermissionChanged) -> None:
    from serving.services import nudges

    nudges.reconcile_on_commit()


def _look_at_rollouts(event: DigestStopped) -> None:
    from serving.services import nudges

    nudges.sweep_rollouts_on_commit()


def _go_on_with(event: ReplicaMoved) -> None:
    from serving.services import nudges

    nudges.follow_replica(event.replica_id)


def _end_what_failed(event: RolloutMoved) -> None:
    from serving.services import registrations

    registrations.follow(rollout_id=event.rollout_id)
