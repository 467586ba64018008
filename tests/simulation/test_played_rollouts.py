"""A thousand rollouts of a version against itself, and candidates like the demo's v2 and v4.

The steps, signals and verdicts are the product's own; only the answers are drawn by lot.
"""

import random
from collections import Counter
from math import log

import pytest

from compliance.domain.sequential import RATIOS, Stage, failure_share, worse
from serving.analysis import SIGNALS
from serving.domain.policy import DeploymentPolicy, report_limit
from serving.domain.steps import Situation
from serving.domain.trials import Behaviour, Ending, play
from serving.states import Trigger, Verdict
from serving.strategies import STRATEGIES

POLICY = DeploymentPolicy()
LOOK_EVERY = 25
"""Evidence against the candidate is looked at after each of its bad answers besides."""
ALIKE = (
    Behaviour(failure_rate=0.0, report_rate=0.02),
    Behaviour(failure_rate=0.01, report_rate=0.05),
    Behaviour(failure_rate=0.02, report_rate=0.16),
    Behaviour(failure_rate=0.05, malformed_share=0.0, report_rate=0.1),
    Behaviour(failure_rate=0.15, report_rate=0.3),
)
# As measured on the demo's traffic pool: clients report nine in ten wrong answers.
V1 = Behaviour(report_rate=0.9 * 18 / 100)
V2 = Behaviour(report_rate=0.9 * 2 / 180)
V4 = Behaviour(failure_rate=20 / 100, report_rate=0.9 * 4 / 180)


def played(
    count: int,
    *,
    canary: Behaviour,
    stable: Behaviour,
    seed: int,
    strategy: str = "canary",
    policy: DeploymentPolicy = POLICY,
) -> list[Ending]:
    limit = report_limit(policy, stable_rate=stable.report_rate)
    steps = STRATEGIES[strategy].steps(
        Situation(stages=policy.stages, has_stable=True, report_limit=limit)
    )
    return [
        play(
            steps=steps,
            signals=SIGNALS,
            policy=policy,
            canary=canary,
            stable=stable,
            chance=random.Random(f"{seed}-{number}"),
            look_every=LOOK_EVERY,
        )
        for number in range(count)
    ]


def quantile(endings: list[Ending], share: float) -> int:
    ordered = sorted(ending.requests for ending in endings)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def test_a_thousand_rollouts_of_a_version_against_itself_M28() -> None:
    endings = [
        ending
        for seed, world in enumerate(ALIKE)
        for ending in played(200, canary=world, stable=world, seed=seed)
    ]
    assert len(endings) == 1000
    verdicts = Counter(ending.verdict for ending in endings)
    assert verdicts[Verdict.FAILED] <= 0.05 * len(endings), verdicts
    assert verdicts[Verdict.SUCCESSFUL] > 300, "a test that decides nothing alarms nobody"
    assert max(ending.requests for ending in endings) <= POLICY.max_requests


def test_a_watch_at_the_very_limit_is_taken_back_no_more_often_than_stated() -> None:
    limit = report_limit(POLICY, stable_rate=V1.report_rate)
    at_limit = Behaviour(failure_rate=POLICY.max_failure_rate, report_rate=limit)
    policy = DeploymentPolicy(max_requests=1500)
    endings = played(100, canary=at_limit, stable=V1, seed=9, strategy="blue_green", policy=policy)
    taken_back = sum(ending.verdict is Verdict.FAILED for ending in endings)
    assert taken_back <= 0.05 * len(endings)


def test_a_candidate_like_v2_is_promoted_within_the_limit() -> None:
    endings = played(200, canary=V2, stable=V1, seed=20)
    promoted = [ending for ending in endings if ending.verdict is Verdict.SUCCESSFUL]
    assert len(promoted) >= 0.98 * len(endings)
    assert quantile(endings, 0.5) <= 600
    assert quantile(endings, 0.95) <= 1000 < POLICY.max_requests
    least = 73 + POLICY.least_canary_answers
    assert min(ending.candidate_answers for ending in promoted) >= least, "the bound has a price"


def test_a_candidate_like_v4_is_rolled_back_within_the_limit() -> None:
    endings = played(200, canary=V4, stable=V2, seed=40)
    assert all(ending.verdict is Verdict.FAILED for ending in endings)
    triggers = Counter(ending.trigger for ending in endings)
    assert triggers[Trigger.CONTRACT_BROKEN] >= 0.98 * len(endings), triggers
    assert quantile(endings, 0.5) <= 150
    assert quantile(endings, 0.95) <= 400 < POLICY.max_requests


@pytest.mark.parametrize(
    ("canary", "verdict", "most"),
    [(V2, Verdict.SUCCESSFUL, 100), (V4, Verdict.FAILED, 60)],
)
def test_at_a_switch_the_same_candidates_are_told_apart(
    canary: Behaviour, verdict: Verdict, most: int
) -> None:
    endings = played(200, canary=canary, stable=V1, seed=60, strategy="blue_green")
    assert sum(ending.verdict is verdict for ending in endings) >= 0.98 * len(endings)
    assert quantile(endings, 0.5) <= most


def test_the_mixture_costs_little_more_than_wald_s_test_at_its_own_ratio() -> None:
    """Failures until "worse" at twice the failure rate; Wald's test knows that it is twice."""
    share, alpha, ratio = 0.5, 0.05, 2.0
    truth = failure_share(share, ratio)
    mixed, wald = 0, 0
    for number in range(200):
        chance = random.Random(f"wald-{number}")
        on_canary = failures = 0
        is_mixed = is_wald = False
        while not (is_mixed and is_wald):
            failures += 1
            on_canary += chance.random() < truth
            if not is_mixed:
                stage = Stage(share, on_canary, on_canary, failures, failures - on_canary)
                is_mixed = worse([stage], alpha=alpha, ratios=RATIOS).is_decided
                mixed += not is_mixed
            if not is_wald:
                gain = on_canary * log(truth / share)
                gain += (failures - on_canary) * log((1 - truth) / (1 - share))
                is_wald = gain >= log(1 / alpha)
                wald += not is_wald
    assert 1.0 < mixed / wald < 1.6, mixed / wald
