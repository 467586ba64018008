"""What a rollout will cost before it is started: requests, days and evaluation answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db.models import Count, Min

from compliance.models import EvaluationRun
from compliance.selectors.evaluations import done_runs, latest_runs
from config.core import clock
from registry.models import Version
from serving.analysis import SIGNALS
from serving.domain.forecast import StageForecast, forecast
from serving.domain.policy import DeploymentPolicy, report_limit
from serving.domain.steps import Situation
from serving.domain.trials import Behaviour
from serving.errors import RolloutInvalid
from serving.models import Answer, Deployment
from serving.selectors.deployments import policy_of
from serving.selectors.evidence import recent_rates
from serving.states import Verdict
from serving.strategies import CHOSEN_BY_PEOPLE, STRATEGIES

TRAFFIC_OF = timedelta(days=7)
MINUTES_A_DAY = 24 * 60
SHORTEST = timedelta(hours=1)
WORSE_RATIO = 3.0
"""How many times as bad the bad candidates of a preview are, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of candidate: what is assumed of it and what it will take.

    ``failure_rate`` and ``report_rate`` are shares; ``days`` at the traffic of the last seven.
    """

    kind: str
    words: str
    failure_rate: float
    report_rate: float
    verdict: Verdict
    requests: int
    candidate_answers: int
    days: float | None
    stages: list[StageForecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a rollout is expected to cost; without a stable version only evaluation answers."""

    strategy: str
    is_first: bool
    answers_a_day: float
    evaluation_answers: int
    max_requests: int
    max_days: float
    cases: list[Case]
    words: str

    @property
    def good(self) -> Case | None:
        """The case of a candidate like stable."""
        return next((case for case in self.cases if case.kind == "good"), None)


def preview(
    deployment: Deployment, version: Version | None = None, *, strategy: str = "canary"
) -> Preview:
    """Expected requests, days and answers, by the test's own arithmetic and stable's rates.

    Raises:
        RolloutInvalid: an unknown strategy, or a version of another adapter.
    """
    if strategy not in CHOSEN_BY_PEOPLE:
        raise RolloutInvalid(
            f"There is no strategy {strategy[:40]!r}.", fix=f"Use {' or '.join(CHOSEN_BY_PEOPLE)}."
        )
    if version is not None and version.adapter_id != deployment.adapter_id:
        raise RolloutInvalid(
            f"{version.runtime_name} is no version of what {deployment.public_name} serves.",
            fix="Choose a version of its adapter.",
        )
    policy = policy_of(deployment)
    is_first = deployment.stable_revision_id is None
    a_day = answers_a_day(deployment)
    cases = [] if is_first else _cases(deployment, policy, strategy, a_day)
    asked = _evaluation_answers(deployment, version)
    return Preview(
        strategy=strategy,
        is_first=is_first,
        answers_a_day=a_day,
        evaluation_answers=asked,
        max_requests=policy.max_requests,
        max_days=policy.max_days,
        cases=cases,
        words=_words(policy, cases, asked),
    )


def answers_a_day(deployment: Deployment) -> float:
    """The mean of the last seven days, or of the time since the first answer in them."""
    now = clock.now()
    rows = Answer.objects.filter(
        deployment=deployment, at__gte=now - TRAFFIC_OF, was_replaced=False
    )
    found = rows.aggregate(count=Count("pk"), first=Min("at"))
    if not found["count"]:
        return 0.0
    span = max(SHORTEST, now - found["first"])
    return round(float(found["count"] * timedelta(days=1) / span), 1)


def _cases(
    deployment: Deployment, policy: DeploymentPolicy, strategy: str, a_day: float
) -> list[Case]:
    _, failed, reported = recent_rates(deployment)
    stable = Behaviour(failure_rate=failed, report_rate=reported)
    failing = min(0.9, max(WORSE_RATIO * policy.max_failure_rate, WORSE_RATIO * failed))
    limit = report_limit(policy, stable_rate=reported)
    wrong = min(0.9, max(WORSE_RATIO * limit, WORSE_RATIO * reported))
    situation = Situation(stages=policy.stages, has_stable=True, report_limit=limit)
    steps = STRATEGIES[strategy].steps(situation)
    assumed: Mapping[str, tuple[str, Behaviour]] = {
        "good": ("as good as the version in use", stable),
        "failing": (
            f"{failing:.0%} of its answers fail",
            Behaviour(failure_rate=failing, report_rate=reported),
        ),
        "reported": (
            f"{wrong:.0%} of its answers are reported as wrong",
            Behaviour(failure_rate=failed, report_rate=wrong),
        ),
    }
    found = []
    for kind, (words, candidate) in assumed.items():
        stages = forecast(
            steps=steps,
            signals=SIGNALS,
            policy=policy,
            canary=candidate,
            stable=stable,
            watch_requests=round(a_day * policy.watch_minutes / MINUTES_A_DAY),
        )
        requests = sum(stage.requests for stage in stages)
        found.append(
            Case(
                kind=kind,
                words=words,
                failure_rate=round(candidate.failure_rate, 4),
                report_rate=round(candidate.report_rate, 4),
                verdict=stages[-1].verdict,
                requests=requests,
                candidate_answers=sum(stage.candidate_answers for stage in stages),
                days=round(requests / a_day, 2) if a_day else None,
                stages=stages,
            )
        )
    return found


def _evaluation_answers(deployment: Deployment, version: Version | None) -> int:
    """Items that the evaluation step will ask for; runs that are recorded are used again."""
    stable = deployment.stable_revision.version if deployment.stable_revision else None
    versions = [each for each in (version, stable) if each is not None]
    sets: dict[int, EvaluationRun] = {}
    for each in versions:
        sets.update({run.evaluation_set_id: run for run in latest_runs(each)})
    return sum(
        run.evaluation_set.items_count
        for each in versions
        for pk, run in sets.items()
        if not done_runs(each).filter(evaluation_set=pk).exists()
    )


def _words(policy: DeploymentPolicy, cases: list[Case], asked: int) -> str:
    evaluated = f" {asked} evaluation answers come before." if asked else ""
    if not cases:
        return f"A first version is judged by its evaluation alone.{evaluated}"
    good = cases[0]
    if good.verdict is not Verdict.SUCCESSFUL:
        return (
            f"Undecided after {policy.max_requests} requests if it is as good as the version in "
            f"use: a person will be asked. A larger share or margin decides earlier.{evaluated}"
        )
    said = f"About {good.requests} requests, {good.candidate_answers} of them to the candidate"
    if good.days is None:
        return f"{said}; without recent traffic the days can't be told.{evaluated}"
    late = ceil(good.days) > policy.max_days
    days = f"{good.days:g} days" if good.days >= 0.1 else "a few hours at most"
    return (
        f"{said}: {days} at the traffic of the last week"
        f"{f', more than the {policy.max_days:g} of the policy' if late else ''}.{evaluated}"
    )
