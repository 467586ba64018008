"""What the answers and the feedback of a rollout count up to now."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from config.core import clock
from serving.domain.verdicts import ArmCounts, StageCounts
from serving.models import Answer, Deployment, Feedback, Rollout
from serving.states import Arm, FailureKind, StepKind

MALFORMED = (FailureKind.CONTRACT_BROKEN, FailureKind.EMPTY)
RECENT_ANSWERS = 1000


def stage_counts(rollout: Rollout) -> list[StageCounts]:
    """Both sides at each weight that was set, in order.

    An answer of stable that replaced a canary's was not routed by itself and is left out; the
    canary's own row counts with its failure. What a stop cut off says nothing of the version.
    Where routing is by unit, a unit counts once.
    """
    weights = {
        int(step.params["stage"]): int(step.params["weight_percent"])
        for step in rollout.steps.filter(kind=StepKind.SET_WEIGHT)
        if int(step.params["stage"]) <= rollout.stage
    }
    answers = _arms(_routed(rollout), failures=~Q(failure=""), malformed=Q(failure__in=MALFORMED))
    shown = _arms(_routed(rollout).filter(was_replaced=False))
    reported = _reports(rollout)
    return [
        StageCounts(
            stage,
            weights[stage],
            canary=_side(stage, Arm.CANARY, answers, shown, reported),
            stable=_side(stage, Arm.STABLE, answers, shown, reported),
        )
        for stage in sorted(weights)
    ]


def deployment_counts(deployment: Deployment) -> dict[str, int]:
    """All answers of a deployment that clients got, what failed, was replaced, was reported."""
    rows = Answer.objects.filter(deployment=deployment)
    found = rows.aggregate(
        answers=Count("pk", filter=Q(was_replaced=False)),
        failed=Count("pk", filter=Q(was_replaced=False) & ~Q(failure="")),
        replaced_by_stable=Count("pk", filter=Q(was_replaced=True)),
    )
    found["reported"] = Feedback.objects.filter(deployment=deployment, is_bad=True).count()
    return found


def recent_rates(deployment: Deployment) -> tuple[int, float, float]:
    """Of the newest answers of stable: how many, share of failures, share of reports."""
    rows = Answer.objects.filter(deployment=deployment, arm=Arm.STABLE).order_by("-pk")
    newest = list(rows.values_list("answer_id", "failure")[:RECENT_ANSWERS])
    if not newest:
        return 0, 0.0, 0.0
    failed = sum(1 for _, failure in newest if failure)
    ids = [answer_id for answer_id, _ in newest]
    reported = Feedback.objects.filter(answer_id__in=ids, is_bad=True).count()
    return len(newest), failed / len(newest), reported / len(newest)


def answers_last_day(deployment: Deployment) -> int:
    """How many answers clients got in the last 24 hours."""
    since = clock.now() - timedelta(days=1)
    return Answer.objects.filter(deployment=deployment, at__gte=since, was_replaced=False).count()


def _routed(rollout: Rollout) -> QuerySet[Answer]:
    return Answer.objects.filter(rollout=rollout, replaces_answer_id="").exclude(
        failure=FailureKind.STOPPED
    )


def _arms(rows: QuerySet[Answer], **filters: Q) -> dict[tuple[int, str], dict[str, Any]]:
    unit = Coalesce(NullIf(F("unit"), Value("")), F("answer_id"))
    counts: dict[str, Any] = {"n": Count("routed_unit", distinct=True)}
    for name, condition in filters.items():
        counts[name] = Count("routed_unit", distinct=True, filter=condition)
    grouped = rows.annotate(routed_unit=unit).order_by().values("stage", "arm").annotate(**counts)
    return {(row["stage"], row["arm"]): dict(row) for row in grouped}


def _reports(rollout: Rollout) -> dict[tuple[int, str], int]:
    replacing = Answer.objects.filter(rollout=rollout).exclude(replaces_answer_id="")
    rows = Feedback.objects.filter(rollout=rollout, is_bad=True).exclude(
        answer_id__in=replacing.values("answer_id")
    )
    grouped = rows.order_by().values("stage", "arm").annotate(n=Count("pk"))
    return {(row["stage"], row["arm"]): row["n"] for row in grouped}


def _side(
    stage: int,
    arm: Arm,
    answers: dict[tuple[int, str], dict[str, Any]],
    shown: dict[tuple[int, str], dict[str, Any]],
    reported: dict[tuple[int, str], int],
) -> ArmCounts:
    key = (stage, str(arm))
    found = answers.get(key, {})
    return ArmCounts(
        answers=found.get("n", 0),
        failures=found.get("failures", 0),
        malformed=found.get("malformed", 0),
        shown=shown.get(key, {}).get("n", 0),
        reported=reported.get(key, 0),
    )
