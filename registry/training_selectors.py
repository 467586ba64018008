"""Reads about training runs: who may see which, how far they are, and what came out."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from config.accounts.models import User
from config.accounts.roles import Act
from config.accounts.selectors import can
from config.core import clock
from registry.domain.training_parameters import TrainingParameters
from registry.errors import TrainingRunNotFound
from registry.models import Adapter, ScanState, TrainingFile, TrainingRun
from registry.states import OPEN_TRAINING_STATES, TrainingState

# Operators see what their machines do, auditors what was done.
SEEING_ACTS = (Act.NODES, Act.AUDIT)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; ``loss`` in nats per token, ``seconds_left`` None where nobody can tell."""

    state: str
    step: int
    steps: int
    percent: float
    epoch: int
    epochs: int
    loss: float | None
    seconds_left: float | None

    def as_json(self) -> dict[str, Any]:
        """For answers and events."""
        return dict(self.__dict__)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Open runs; ``due_since``: since when one could be trained and none is at work.

    ``silent_since``: when the worker that is silent longest was heard, of those at work.
    """

    waiting_count: int
    running_count: int
    due_since: datetime | None
    silent_since: datetime | None


def runs() -> QuerySet[TrainingRun]:
    """All runs with what a list shows, newest first."""
    return TrainingRun.objects.select_related(
        "adapter__owner", "base_model", "version__adapter", "requested_by__person"
    ).order_by("-pk")


def visible_runs(user: User) -> QuerySet[TrainingRun]:
    """The account's own runs and those of its adapters; operators and auditors see all."""
    if any(can(user, act) for act in SEEING_ACTS):
        return runs()
    return runs().filter(Q(requested_by=user) | Q(adapter__owner=user))


def visible_run(user: User, uuid: UUID) -> TrainingRun:
    """One run that the account may see.

    Raises:
        TrainingRunNotFound: there is none, or it is somebody else's.
    """
    found = visible_runs(user).filter(uuid=uuid).first()
    if found is None:
        raise TrainingRunNotFound(
            f"You have no training run {uuid}.", fix="GET /api/v1/training-runs lists yours."
        )
    return found


def runs_of(adapter: Adapter) -> QuerySet[TrainingRun]:
    """The adapter's runs, newest first."""
    return runs().filter(adapter=adapter)


def stamp(uuid: UUID) -> tuple[Any, ...]:
    """What changes whenever there is something new to say of a run; empty where it is gone."""
    row = TrainingRun.objects.filter(uuid=uuid).values_list("state", "step", "steps", "attempt")
    return row.first() or ()


def progress(run: TrainingRun) -> Progress:
    """How far the run is, from its row alone."""
    plan = TrainingParameters.parse(run.parameters)
    share = run.step / run.steps if run.steps else 0.0
    is_over = run.state == TrainingState.COMPLETED
    return Progress(
        state=str(run.state),
        step=run.step,
        steps=run.steps,
        percent=100.0 if is_over else round(100 * share, 1),
        epoch=min(plan.num_epochs, int(share * plan.num_epochs) + 1) if run.steps else 0,
        epochs=plan.num_epochs,
        loss=run.series[-1][1] if run.series else None,
        seconds_left=_seconds_left(run, share),
    )


def result(run: TrainingRun) -> dict[str, Any]:
    """What a caller of the training contract is told; files by name, for their owner alone."""
    names = dict(
        TrainingFile.objects.filter(uuid__in=[row["file"] for row in run.data]).values_list(
            "uuid", "name"
        )
    )
    return {
        "success": run.state == TrainingState.COMPLETED,
        "training_duration": duration_seconds(run),
        "training_files": [names.get(UUID(row["file"]), "(deleted meanwhile)") for row in run.data],
        "training_params": {**run.parameters, "seed": run.seed},
        "model_metrics": run.metrics,
        "final_loss": run.series[-1][1] if run.series else None,
        "steps_completed": run.step,
        "message": message(run),
    }


def message(run: TrainingRun) -> str:
    """How it stands, in a sentence."""
    if run.state == TrainingState.COMPLETED and run.version is not None:
        return f"The adapter was trained: {run.version.version_name}, loss {run.series[-1][1]:.3f}."
    if run.state == TrainingState.FAILED:
        return f"The training failed: {run.error}"
    return {
        TrainingState.QUEUED: "The training waits for a trainer, or for its data to be scanned.",
        TrainingState.RUNNING: f"The training is at step {run.step} of {run.steps}.",
        TrainingState.CANCELLING: "The training is being cancelled.",
    }.get(TrainingState(run.state), "The training was cancelled; nothing of it is kept.")


def duration_seconds(run: TrainingRun) -> float:
    """From the first worker's beginning to the end, or to now."""
    if run.started_at is None:
        return 0.0
    return round(((run.finished_at or clock.now()) - run.started_at).total_seconds(), 3)


def counts() -> dict[str, int]:
    """How many runs there are by state, for every state."""
    rows = TrainingRun.objects.order_by().values("state").annotate(count=Count("pk"))
    found = Counter({row["state"]: row["count"] for row in rows})
    return {str(state): found[str(state)] for state in TrainingState}


def workload() -> Workload:
    """What waits for a trainer, and what one works on."""
    rows = list(
        TrainingRun.objects.filter(state__in=OPEN_TRAINING_STATES).values_list(
            "state", "requested_at", "heartbeat_at", "data"
        )
    )
    queued = [row for row in rows if row[0] == TrainingState.QUEUED]
    heard = [row[2] for row in rows if row[0] != TrainingState.QUEUED and row[2] is not None]
    due_since = None
    if len(queued) == len(rows) and (ready := _ready_at(queued)):
        # Behind another training one waits as long as that takes.
        ended = TrainingRun.objects.aggregate(at=Max("finished_at"))["at"]
        due_since = max(at for at in (min(ready), ended) if at is not None)
    return Workload(
        waiting_count=len(queued),
        running_count=len(rows) - len(queued),
        due_since=due_since,
        silent_since=min(heard, default=None),
    )


def _ready_at(queued: list[tuple[Any, ...]]) -> list[datetime]:
    """When each run was asked for, of those that wait for no scan of their data."""
    files = {row["file"] for _, _, _, data in queued for row in data}
    unscanned = set(
        TrainingFile.objects.filter(uuid__in=files, scan_state=ScanState.UNSCANNED).values_list(
            "uuid", flat=True
        )
    )
    return [
        requested_at
        for _, requested_at, _, data in queued
        if not any(UUID(row["file"]) in unscanned for row in data)
    ]


def oldest_silence(now: datetime) -> float:
    """Seconds since the most silent running worker was heard; 0 while none runs."""
    rows = TrainingRun.objects.filter(
        state__in=[state for state in OPEN_TRAINING_STATES if state != TrainingState.QUEUED]
    ).values_list("heartbeat_at", flat=True)
    return max(((now - at).total_seconds() for at in rows if at is not None), default=0.0)


def _seconds_left(run: TrainingRun, share: float) -> float | None:
    if run.state != TrainingState.RUNNING or not share or run.started_at is None:
        return None
    return round((clock.now() - run.started_at).total_seconds() * (1 - share) / share, 1)
