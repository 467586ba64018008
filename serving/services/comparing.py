"""The evaluation step: both versions on the same items, before any traffic."""

from compliance.domain.policy import CURRENT
from compliance.models import EvaluationRun, EvaluationSet
from compliance.selectors.evaluations import (
    comparison,
    done_runs,
    evaluation_summary,
    latest_runs,
)
from compliance.services import evaluations
from compliance.states import RunState
from config.core.actors import SYSTEM
from config.core.errors import DomainError
from registry.models import Version
from serving.models import AnalysisRun, Rollout, RolloutStep
from serving.selectors.deployments import policy_of
from serving.services.step_results import Result, done, pause, roll_back, wait
from serving.states import Trigger, Verdict


def run(rollout: Rollout, step: RolloutStep) -> Result:
    """Ask for the runs that are missing, wait for them, then compare."""
    candidate = rollout.to_revision.version
    if candidate is None:
        return done("The base is not compared.")
    former = rollout.from_revision
    stable = former.version if former else None
    versions = [version for version in (candidate, stable) if version is not None]
    sets = _sets(versions)
    if not sets:
        return pause(
            "Neither version was evaluated on any set: evaluate the candidate, then resume."
        )
    try:
        missing = [
            run
            for version in versions
            for each in sets
            if (run := _run_or_request(rollout, version, each)) is not None
        ]
    except DomainError as error:
        return pause(f"The evaluation can't be asked for: {error.message}")
    failed = EvaluationRun.objects.filter(
        version__in=versions,
        evaluation_set__in=sets,
        state=RunState.FAILED,
        finished_at__gte=step.started_at,
    ).first()
    if missing and failed is not None:
        return pause(
            f"The evaluation on {failed.evaluation_set} failed: {failed.error} "
            "Mend it, then resume."
        )
    if missing:
        rows = sum(run.rows_done for run in missing)
        items = sum(run.evaluation_set.items_count for run in missing)
        return wait(f"{rows} of {items} items are answered on {len(missing)} evaluation runs.")
    return (
        _first(rollout, candidate)
        if stable is None
        else _compared(rollout, step, candidate, stable)
    )


def _sets(versions: list[Version]) -> list[EvaluationSet]:
    found = {run.evaluation_set_id: run.evaluation_set for v in versions for run in latest_runs(v)}
    return [found[pk] for pk in sorted(found)]


def _run_or_request(
    rollout: Rollout, version: Version, evaluation_set: EvaluationSet
) -> EvaluationRun | None:
    """None when there is a recorded run; else the one that is in progress or was asked for now."""
    if done_runs(version).filter(evaluation_set=evaluation_set).exists():
        return None
    last = (
        EvaluationRun.objects.filter(version=version, evaluation_set=evaluation_set)
        .order_by("-pk")
        .first()
    )
    step = rollout.steps.filter(kind="evaluate").first()
    if (
        last is not None
        and last.state == RunState.FAILED
        and step is not None
        and step.started_at is not None
        and last.finished_at is not None
        and last.finished_at >= step.started_at
    ):
        return last  # asking again without a person would only fail again
    run = evaluations.request(
        version=version, evaluation_set=evaluation_set, user=rollout.started_by, actor=SYSTEM
    )
    return None if run.state == RunState.DONE else run


def _first(rollout: Rollout, candidate: Version) -> Result:
    """A first revision: its own accuracy has to reach what the policy asks for."""
    policy = policy_of(rollout.deployment)
    by_class = CURRENT.of_class(candidate.adapter.safety_class)
    low = by_class.accuracy_low if policy.first_accuracy_low is None else policy.first_accuracy_low
    rows = [row for row in evaluation_summary(candidate) if row.attribute == ""]
    union = rows[-1]
    words = (
        f"{union.correct} of {union.n} right, at least {union.wilson_low:.1%} (95 % sure); "
        f"{low:.0%} is asked for."
    )
    if union.wilson_low >= low:
        return done(words)
    return roll_back(Trigger.VALIDATION_FAILED, words)


def _compared(rollout: Rollout, step: RolloutStep, candidate: Version, stable: Version) -> Result:
    policy = policy_of(rollout.deployment)
    by_class = CURRENT.of_class(candidate.adapter.safety_class)
    margin = by_class.margin if policy.comparison_margin is None else policy.comparison_margin
    found = comparison(candidate, stable)
    if found is None:
        return pause("The two versions have no evaluated item in common.")
    is_good = found.low > -margin
    AnalysisRun.objects.get_or_create(
        rollout=rollout,
        signal="comparison",
        step_index=step.index,
        stage=rollout.stage,
        defaults={
            "verdict": Verdict.SUCCESSFUL if is_good else Verdict.FAILED,
            "canary_count": found.n,
            "stable_count": found.n,
            "detail": {
                "newly_right": found.b,
                "newly_wrong": found.c,
                "n": found.n,
                "difference": f"{found.difference:.4f}",
                "low": f"{found.low:.4f}",
                "high": f"{found.high:.4f}",
                "mcnemar_p": f"{found.mcnemar_p:.4g}",
                "margin": f"{margin:g}",
            },
        },
    )
    words = (
        f"On {found.n} items {found.b} became right and {found.c} wrong: difference "
        f"{found.difference:+.1%}, at least {found.low:+.1%} (95 % interval); "
        f"the margin is {-margin:+.0%}."
    )
    return done(words) if is_good else roll_back(Trigger.VALIDATION_FAILED, words)
