"""A rollout played through on paper: the steps, signals and verdicts of the real one."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from serving.domain.policy import DeploymentPolicy
from serving.domain.steps import PlannedStep
from serving.domain.verdicts import ArmCounts, Outcome, Reading, StageCounts, conclude
from serving.states import StepKind, Trigger, Verdict


class Judge(Protocol):
    """A signal, as an analysis step asks it."""

    def read(self, stages: Sequence[StageCounts], *, policy: DeploymentPolicy) -> Reading:
        """What the counts of all stages say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one side answers. Shares between 0 and 1.

    ``failure_rate``: of all answers; ``malformed_share``: of the failures; ``report_rate``: of the
    answers that were in order, reported as bad by those who got them.
    """

    failure_rate: float = 0.0
    malformed_share: float = 1.0
    report_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a played rollout ended; ``requests_at``: stage → requests answered when it was passed."""

    verdict: Verdict
    trigger: Trigger | None
    requests: int
    candidate_answers: int
    requests_at: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    answers: int = 0
    failures: int = 0
    malformed: int = 0
    shown: int = 0
    reported: int = 0

    def counts(self) -> ArmCounts:
        return ArmCounts(self.answers, self.failures, self.malformed, self.shown, self.reported)


def play(
    *,
    steps: Sequence[PlannedStep],
    signals: Sequence[Judge],
    policy: DeploymentPolicy,
    canary: Behaviour,
    stable: Behaviour,
    chance: random.Random,
    look_every: int = 1,
    watch_requests: int = 0,
) -> Ending:
    """Play a rollout's stages with random answers until its analysis decides.

    It is judged after each bad answer of the candidate and after every ``look_every`` requests:
    evidence against the candidate grows at no other moment. A watch lasts for ``watch_requests``.
    Days do not pass.
    """
    done: list[StageCounts] = []
    requests = answers = 0
    requests_at: dict[int, int] = {}
    for step in steps:
        if step.kind is not StepKind.ANALYSE:
            continue
        stage, weight = int(step.params["stage"]), int(step.params["weight_percent"])
        limit = step.params.get("report_limit") or policy.max_report_rate
        judged_by = replace(policy, max_report_rate=limit)
        sides = (_Tally(), _Tally())
        outcome = Outcome(Verdict.RUNNING, "")
        at_stage = 0
        while outcome.verdict is Verdict.RUNNING:
            is_canary = chance.random() * 100 < weight
            is_bad = _answer(sides[is_canary], canary if is_canary else stable, is_canary, chance)
            requests += 1
            at_stage += 1
            answers += is_canary
            is_over = requests >= policy.max_requests
            if not (is_bad and is_canary) and requests % look_every and not is_over:
                continue
            now = [*done, StageCounts(stage, weight, sides[1].counts(), sides[0].counts())]
            outcome = conclude(
                [signal.read(now, policy=judged_by) for signal in signals],
                now,
                policy=judged_by,
                days=0.0,
                stage_minutes=policy.watch_minutes if at_stage >= watch_requests else 0.0,
            )
        if outcome.verdict is not Verdict.SUCCESSFUL:
            return Ending(
                verdict=outcome.verdict,
                trigger=outcome.trigger,
                requests=requests,
                candidate_answers=answers,
                requests_at=requests_at,
            )
        requests_at[stage] = requests
        done = now
    return Ending(
        verdict=Verdict.SUCCESSFUL,
        trigger=None,
        requests=requests,
        candidate_answers=answers,
        requests_at=requests_at,
    )


def _answer(side: _Tally, how: Behaviour, is_canary: bool, chance: random.Random) -> bool:
    """Give one answer; whether it is bad. A failed one of the candidate is replaced, so unseen."""
    side.answers += 1
    if chance.random() < how.failure_rate:
        side.failures += 1
        side.malformed += chance.random() < how.malformed_share
        side.shown += not is_canary
        return True
    side.shown += 1
    is_reported = chance.random() < how.report_rate
    side.reported += is_reported
    return is_reported
