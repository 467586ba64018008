"""Reads of rollouts: steps, evidence, progress, and what a decision will cost."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from registry.models import Version
from serving.domain.steps import StepProgress, progress_percentage
from serving.errors import RolloutNotFound
from serving.models import AnalysisRun, Deployment, Rollout, RolloutStep
from serving.selectors.previews import preview
from serving.states import OPEN_ROLLOUT_STATES, RolloutState, StepKind, StepState

WAYS = {
    RolloutState.RUNNING: "is being tried",
    RolloutState.PAUSED: "is paused",
    RolloutState.PROMOTED: "was promoted",
    RolloutState.ROLLING_BACK: "is being rolled back",
    RolloutState.ROLLED_BACK: "was rolled back",
    RolloutState.ABORTING: "is being aborted",
    RolloutState.ABORTED: "was aborted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What it takes to show a candidate like stable to be safe; None where it can't be said.

    ``days``: at the traffic of the last seven days.
    """

    requests: int | None
    candidate_answers: int | None
    days: float | None
    words: str


def rollouts() -> QuerySet[Rollout]:
    """All rollouts with their steps and versions, newest first."""
    return (
        Rollout.objects.select_related(
            "deployment__base_model",
            "from_revision__version__adapter",
            "to_revision__version__adapter",
            "started_by__person",
        )
        .prefetch_related(Prefetch("steps", queryset=RolloutStep.objects.order_by("index")))
        .order_by("-pk")
    )


def rollout_by_uuid(uuid: UUID | str) -> Rollout:
    """One rollout.

    Raises:
        RolloutNotFound: there is none.
    """
    found = rollouts().filter(uuid=uuid).first()
    if found is None:
        raise RolloutNotFound(f"There is no rollout {uuid}.", fix="List /api/v1/rollouts.")
    return found


def open_rollout(deployment: Deployment) -> Rollout | None:
    """The deployment's rollout under way, if there is one."""
    return rollouts().filter(deployment=deployment, state__in=OPEN_ROLLOUT_STATES).first()


def unfinished_ids() -> list[int]:
    """Rollouts with something left to do: open ones, and promoted ones with a step to finish."""
    open_ids = Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES).values_list("pk", flat=True)
    unloading = RolloutStep.objects.filter(
        kind=StepKind.UNLOAD,
        state__in=[StepState.WAITING, StepState.RUNNING],
        rollout__state=RolloutState.PROMOTED,
    ).values_list("rollout_id", flat=True)
    return sorted({*open_ids, *unloading})


def open_with_version(version: Version) -> list[int]:
    """Open rollouts that bring this version."""
    rows = Rollout.objects.filter(state__in=OPEN_ROLLOUT_STATES, to_revision__version=version)
    return list(rows.values_list("pk", flat=True))


def evidence_curve(rollout: Rollout) -> QuerySet[AnalysisRun]:
    """What the analyses said, one row for each change of the counts, in order."""
    return AnalysisRun.objects.filter(rollout=rollout).order_by("pk")


def latest_readings(rollout: Rollout) -> dict[str, AnalysisRun]:
    """The newest reading of each signal."""
    found: dict[str, AnalysisRun] = {}
    for row in AnalysisRun.objects.filter(rollout=rollout).order_by("signal", "-pk"):
        found.setdefault(row.signal, row)
    return found


def current_step(rollout: Rollout) -> RolloutStep | None:
    """The first step that is not finished."""
    unfinished = {StepState.WAITING, StepState.RUNNING, StepState.FAILED}
    return next((step for step in rollout.steps.all() if step.state in unfinished), None)


def progress_of(rollout: Rollout) -> int:
    """Percent done; 100 only at the end."""
    readings: dict[str, AnalysisRun] | None = None
    steps = []
    for step in rollout.steps.all():
        share = 0.0
        if step.kind == StepKind.ANALYSE and step.state == StepState.RUNNING:
            readings = latest_readings(rollout) if readings is None else readings
            shares = [
                max(0.0, row.log10_safe / row.log10_limit)
                for signal, row in readings.items()
                if signal != "comparison" and row.log10_limit > 0
            ]
            share = min(shares, default=0.0)
        steps.append(StepProgress(step.kind, step.state, share))
    return progress_percentage(rollout.state, steps)


def sentence(rollout: Rollout) -> str:
    """What is going on, in a line of plain words."""
    version = rollout.to_revision.version
    name = version.runtime_name if version else rollout.deployment.base_model.slug
    words = f"{name} {WAYS[RolloutState(rollout.state)]}"
    if rollout.state == RolloutState.RUNNING:
        if rollout.weight_percent:
            words += f" on {rollout.weight_percent} % of the requests"
        step = current_step(rollout)
        if step is not None:
            words += f": {step.detail or _doing(step)}"
    elif rollout.state == RolloutState.PAUSED:
        words += f" at {rollout.weight_percent} %: {rollout.paused_reason}"
    elif rollout.reason and rollout.state != RolloutState.PROMOTED:
        words += f": {rollout.reason}"
    return words if words.endswith((".", "!", "?")) else f"{words}."


def expectation(deployment: Deployment) -> Expectation:
    """What a canary will cost here if the candidate is like stable, decided or not."""
    found = preview(deployment)
    good = found.good
    if good is None:
        return Expectation(requests=None, candidate_answers=None, days=None, words=found.words)
    return Expectation(
        requests=good.requests,
        candidate_answers=good.candidate_answers,
        days=good.days,
        words=found.words,
    )


def _doing(step: RolloutStep) -> str:
    return {
        StepKind.LOAD: "it is loaded and proven on the nodes",
        StepKind.EVALUATE: "it is compared with the version in use on the evaluation sets",
        StepKind.SET_WEIGHT: f"its share becomes {step.params.get('weight_percent')} %",
        StepKind.ANALYSE: "its answers are judged",
        StepKind.PAUSE: "a person decides",
        StepKind.PROMOTE: "it becomes the version in use",
        StepKind.UNLOAD: "the former version is put away",
    }.get(StepKind(step.kind), str(step.kind))
