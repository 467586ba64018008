"""What a rollout's decision will cost: the test itself, fed with what is expected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serving.domain.policy import DeploymentPolicy
from serving.domain.steps import PlannedStep
from serving.domain.trials import Behaviour, Judge
from serving.domain.verdicts import ArmCounts, StageCounts, conclude
from serving.states import StepKind, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StageForecast:
    """One stage of a candidate that answers exactly as its rates say.

    ``requests`` and ``candidate_answers`` of this stage alone; ``verdict``: what they lead to,
    ``inconclusive`` where the policy's requests are used up first.
    """

    stage: int
    weight_percent: int
    requests: int
    candidate_answers: int
    verdict: Verdict


def forecast(
    *,
    steps: Sequence[PlannedStep],
    signals: Sequence[Judge],
    policy: DeploymentPolicy,
    canary: Behaviour,
    stable: Behaviour,
    watch_requests: int = 0,
) -> list[StageForecast]:
    """The stages that such a candidate sees, up to the one that does not let it pass.

    Half of all rollouts take about as many answers, half more: chance is left out. A watch lasts
    for ``watch_requests``.
    """
    done: list[StageCounts] = []
    found: list[StageForecast] = []
    for step in steps:
        if step.kind is not StepKind.ANALYSE:
            continue
        stage, weight = int(step.params["stage"]), int(step.params["weight_percent"])
        limit = step.params.get("report_limit") or policy.max_report_rate
        judged_by = replace(policy, max_report_rate=limit)
        left = max(1, policy.max_requests - sum(each.requests for each in done))

        def counts(requests: int, *, stage: int = stage, weight: int = weight) -> StageCounts:
            on_canary = round(requests * weight / 100)
            return StageCounts(
                stage,
                weight,
                _expected(on_canary, canary, is_canary=True),
                _expected(requests - on_canary, stable, is_canary=False),
            )

        def verdict(requests: int, judged_by: DeploymentPolicy = judged_by) -> Verdict:
            now = [*done, counts(requests)]
            return conclude(
                [signal.read(now, policy=judged_by) for signal in signals],
                now,
                policy=judged_by,
                days=0.0,
                stage_minutes=judged_by.watch_minutes if requests >= watch_requests else 0.0,
            ).verdict

        requests = _first_decided(verdict, left)
        now = counts(requests)
        found.append(
            StageForecast(
                stage=stage,
                weight_percent=weight,
                requests=requests,
                candidate_answers=now.canary.answers,
                verdict=verdict(requests),
            )
        )
        if found[-1].verdict is not Verdict.SUCCESSFUL:
            break
        done.append(now)
    return found


def _first_decided(verdict: Callable[[int], Verdict], most: int) -> int:
    """The smallest number of requests that decides, by doubling and then halving; or ``most``."""
    high = 1
    while verdict(high) is Verdict.RUNNING:
        if high >= most:
            return most
        high = min(most, 2 * high)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if verdict(middle) is Verdict.RUNNING:
            low = middle
        else:
            high = middle
    return high


def _expected(answers: int, how: Behaviour, *, is_canary: bool) -> ArmCounts:
    failures = round(answers * how.failure_rate)
    in_order = answers - failures
    return ArmCounts(
        answers=answers,
        failures=failures,
        malformed=round(failures * how.malformed_share),
        shown=in_order if is_canary else answers,
        reported=round(in_order * how.report_rate),
    )
