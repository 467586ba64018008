"""Anytime-valid evidence: exact cases, properties, and a seeded simulation of equal sides."""

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.domain.sequential import (
    RATIOS,
    Evidence,
    Stage,
    failure_share,
    growth_per_request,
    not_inferior,
    rate_above,
    rate_below,
    requests_until_clean,
    requests_until_decided,
    split_alpha,
    worse,
)

SHARES = st.floats(0.02, 0.9)
stages = st.builds(
    lambda share, canary, stable: Stage(share, canary + 10, canary, stable + 10, stable),
    SHARES,
    st.integers(0, 30),
    st.integers(0, 30),
)


def stage(share: float, canary: int, stable: int) -> Stage:
    return Stage(share, canary, canary, stable, stable)


@given(SHARES, st.sampled_from(RATIOS))
def test_the_mean_of_one_failure_is_one_under_equal_rates(share: float, ratio: float) -> None:
    on_canary = worse([stage(share, 1, 0)], alpha=0.05, ratios=[ratio]).e_value
    on_stable = worse([stage(share, 0, 1)], alpha=0.05, ratios=[ratio]).e_value
    assert share * on_canary + (1 - share) * on_stable == pytest.approx(1)


@given(SHARES, st.floats(1.1, 4), st.floats(1.0, 10))
def test_the_mirror_has_a_mean_of_at_most_one_whenever_the_canary_is_inferior(
    share: float, margin: float, excess: float
) -> None:
    truth = failure_share(share, margin * excess)
    up = not_inferior([stage(share, 1, 0)], margin_ratio=margin, alpha=0.05).e_value
    down = not_inferior([stage(share, 0, 1)], margin_ratio=margin, alpha=0.05).e_value
    assert truth * up + (1 - truth) * down <= 1 + 1e-9


@given(st.floats(0.01, 0.5), st.floats(1.0, 1.9))
def test_the_bound_of_the_own_rate_has_a_mean_of_at_most_one(rate: float, excess: float) -> None:
    truth = min(rate * excess, 1.0)
    failed = rate_below(1, 1, rate=rate, alpha=0.05).e_value
    clean = rate_below(0, 1, rate=rate, alpha=0.05).e_value
    assert truth * failed + (1 - truth) * clean <= 1 + 1e-9


@given(st.lists(stages, min_size=1, max_size=4))
def test_a_failure_of_the_canary_is_evidence_and_one_of_stable_against_it(
    done: list[Stage],
) -> None:
    before = worse(done, alpha=0.05).log_e
    share = done[-1].canary_share
    assert worse([*done, stage(share, 1, 0)], alpha=0.05).log_e > before
    assert worse([*done, stage(share, 0, 1)], alpha=0.05).log_e < before


@given(st.lists(stages, min_size=1, max_size=4), st.sampled_from(RATIOS))
def test_stages_are_multiplied(done: list[Stage], ratio: float) -> None:
    together = worse(done, alpha=0.05, ratios=[ratio]).log_e
    single = sum(worse([one], alpha=0.05, ratios=[ratio]).log_e for one in done)
    assert together == pytest.approx(single)


@given(stages)
def test_splitting_a_stage_in_two_changes_nothing(whole: Stage) -> None:
    first = stage(whole.canary_share, whole.canary_failures // 3, 0)
    rest = Stage(
        whole.canary_share,
        whole.canary_answers,
        whole.canary_failures - first.canary_failures,
        whole.stable_answers,
        whole.stable_failures,
    )
    assert worse([first, rest], alpha=0.05).log_e == pytest.approx(worse([whole], alpha=0.05).log_e)


def test_59_clean_answers_bound_the_failure_rate_at_5_percent() -> None:
    assert not rate_below(0, 58, rate=0.05, alpha=0.05).is_decided
    assert rate_below(0, 59, rate=0.05, alpha=0.05).is_decided


def test_a_failure_costs_answers_but_not_the_bound() -> None:
    assert not rate_below(1, 93, rate=0.05, alpha=0.05).is_decided
    assert rate_below(1, 400, rate=0.05, alpha=0.05).is_decided


def test_no_answers_are_no_evidence() -> None:
    assert worse([], alpha=0.05).e_value == pytest.approx(1)
    assert rate_below(0, 0, rate=0.05, alpha=0.05).e_value == pytest.approx(1)
    assert rate_above(0, 0, rate=0.05, alpha=0.05).e_value == pytest.approx(1)


def test_a_candidate_that_fails_a_fifth_is_caught_within_30_answers() -> None:
    """Against a stable that never fails, at a fifth of the traffic and alpha for two signals."""
    alpha, needed = split_alpha(0.05, 2), []
    for seed in range(200):
        chance = random.Random(seed)
        answers = failures = 0
        while not worse([Stage(0.2, answers, failures, 0, 0)], alpha=alpha).is_decided:
            answers += 1
            failures += chance.random() < 0.2
        needed.append(answers)
    needed.sort()
    assert needed[len(needed) // 2] <= 30
    assert needed[int(len(needed) * 0.95)] <= 60


def run_rollout(
    chance: random.Random, *, share: float, base_rate: float, ratio: float, requests: int
) -> bool:
    """Whether a rollout is ever rolled back when it is judged after every failure."""
    canary = stable = 0
    for _ in range(requests):
        is_canary = chance.random() < share
        if chance.random() >= base_rate * (ratio if is_canary else 1):
            continue
        canary, stable = canary + is_canary, stable + (not is_canary)
        if worse([stage(share, canary, stable)], alpha=0.05).is_decided:
            return True
    return False


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_equal_sides_are_rolled_back_no_more_often_than_stated(share: float) -> None:
    runs = 400
    false = sum(
        run_rollout(random.Random(seed), share=share, base_rate=0.1, ratio=1, requests=1500)
        for seed in range(runs)
    )
    assert false / runs <= 0.05


def test_a_side_three_times_as_bad_is_rolled_back() -> None:
    runs = 60
    caught = sum(
        run_rollout(random.Random(seed), share=0.2, base_rate=0.05, ratio=3, requests=2500)
        for seed in range(runs)
    )
    assert caught / runs >= 0.95


def test_equal_sides_become_not_inferior() -> None:
    equal = [Stage(0.5, 2000, 40, 2000, 40)]
    assert not_inferior(equal, margin_ratio=2, alpha=0.05).is_decided
    assert not worse(equal, alpha=0.05).is_decided


def test_what_is_still_needed_shrinks_and_ends_at_zero() -> None:
    start = rate_below(0, 0, rate=0.05, alpha=0.05)
    assert requests_until_clean(start, rate=0.05, canary_share=0.2) == pytest.approx(295, abs=10)
    half = rate_below(0, 30, rate=0.05, alpha=0.05)
    assert requests_until_clean(half, rate=0.05, canary_share=0.2) < 180
    done = rate_below(0, 59, rate=0.05, alpha=0.05)
    assert requests_until_clean(done, rate=0.05, canary_share=0.2) == 0


def test_the_estimate_of_a_comparison_is_near_what_it_takes() -> None:
    start = worse([], alpha=0.05)
    about = requests_until_decided(
        start, canary_share=0.2, stable_rate=0.05, true_ratio=3, tested_ratio=1
    )
    took = []
    for seed in range(60):
        chance = random.Random(seed)
        canary = stable = asked = 0
        while not worse([stage(0.2, canary, stable)], alpha=0.05).is_decided:
            asked += 1
            is_canary = chance.random() < 0.2
            if chance.random() < 0.05 * (3 if is_canary else 1):
                canary, stable = canary + is_canary, stable + (not is_canary)
        took.append(asked)
    took.sort()
    assert about is not None
    assert about / 2 <= took[30] <= about * 2
    assert growth_per_request(
        canary_share=0.2, stable_rate=0.0, true_ratio=3, tested_ratio=1
    ) == pytest.approx(0)
    never = requests_until_decided(
        start, canary_share=0.2, stable_rate=0.05, true_ratio=1, tested_ratio=1
    )
    assert never is None


def test_alpha_is_split_over_signals_and_impossible_stages_are_refused() -> None:
    assert split_alpha(0.05, 2) == 0.025
    assert worse([], alpha=split_alpha(0.05, 2)).threshold == pytest.approx(40)
    for wrong in ((1.0, 1, 0, 1, 0), (0.0, 1, 0, 1, 0), (0.2, 1, 2, 1, 0)):
        with pytest.raises(ValueError, match=r"control arm|failures"):
            Stage(*wrong)
    with pytest.raises(ValueError, match="margin"):
        not_inferior([], margin_ratio=1.0, alpha=0.05)
    with pytest.raises(ValueError, match="alpha"):
        split_alpha(0.05, 0)


def test_evidence_at_exactly_its_threshold_decides() -> None:
    assert Evidence(log(20), 20).is_decided
    assert not Evidence(log(19.99), 20).is_decided
    assert Evidence(1000, 20).e_value == float("inf")
