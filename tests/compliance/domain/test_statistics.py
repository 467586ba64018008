"""Counts, intervals and tests against published values."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.domain.statistics import (
    PairedCounts,
    failure_rate_upper,
    items_needed,
    items_needed_paired,
    mcnemar_exact,
    newcombe_paired,
    wilson,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
paired_counts = st.builds(PairedCounts, *[st.integers(0, 200)] * 4).filter(lambda c: c.n > 0)


def test_one_sided_bound_of_141_of_150() -> None:
    assert wilson(141, 150).low == pytest.approx(0.8996, abs=5e-5)


def test_wilson_against_newcombes_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3: 81 of 263.
    interval = wilson(81, 263, one_sided_confidence=0.975)
    assert interval.low == pytest.approx(0.2553, abs=5e-5)
    assert interval.high == pytest.approx(0.3662, abs=5e-5)


def test_wilson_of_none_of_20_against_the_same_table() -> None:
    interval = wilson(0, 20, one_sided_confidence=0.975)
    assert interval.low == 0
    assert interval.high == pytest.approx(0.1611, abs=5e-5)


@given(counts)
def test_wilson_holds_the_estimate_and_mirrors(pair: tuple[int, int]) -> None:
    hits, n = pair
    interval, mirror = wilson(hits, n), wilson(n - hits, n)
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert interval.low == pytest.approx(1 - mirror.high)


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="share"):
        wilson(hits, n)


def test_paired_difference_with_its_published_interval() -> None:
    interval = newcombe_paired(PairedCounts(both=820, lost=28, gained=45, neither=107))
    assert interval.estimate == pytest.approx(0.017)
    assert interval.low == pytest.approx(0.0001, abs=5e-5)
    assert interval.high == pytest.approx(0.034, abs=5e-4)


def test_paired_difference_against_newcombes_table() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 2635, table III, method 10: 36, 12, 2, 0.
    interval = newcombe_paired(PairedCounts(both=36, lost=2, gained=12, neither=0))
    assert interval.estimate == pytest.approx(0.2)
    assert interval.low == pytest.approx(0.0569, abs=1e-4)
    assert interval.high == pytest.approx(0.3404, abs=1e-4)


def test_180_equal_answers_leave_a_limit_down_to_minus_0_023() -> None:
    lows = [newcombe_paired(PairedCounts(both, 0, 0, 180 - both)).low for both in range(150, 181)]
    assert min(lows) == pytest.approx(-0.023, abs=5e-4)
    assert max(lows) < -0.0175


@given(paired_counts)
def test_the_paired_interval_holds_the_difference_and_turns_with_the_sides(
    outcome: PairedCounts,
) -> None:
    interval = newcombe_paired(outcome)
    turned = newcombe_paired(
        PairedCounts(outcome.both, outcome.gained, outcome.lost, outcome.neither)
    )
    assert interval.low <= interval.estimate <= interval.high
    assert interval.low == pytest.approx(-turned.high)


def test_mcnemar_of_45_against_28() -> None:
    assert mcnemar_exact(28, 45) == pytest.approx(0.060, abs=5e-4)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_symmetric_probability(lost: int, gained: int) -> None:
    p = mcnemar_exact(lost, gained)
    assert 0 < p <= 1
    assert p == mcnemar_exact(gained, lost)
    assert p == 1 or lost != gained


@pytest.mark.parametrize(
    ("target", "rate", "needed"),
    [
        (0.80, "1", 11),
        (0.80, "0.93", 35),
        (0.80, "0.95", 20),
        (0.80, "0.97", 20),
        (0.80, "0.99", 20),
        (0.85, "1", 16),
        (0.85, "0.93", 65),
        (0.85, "0.95", 40),
        (0.85, "0.97", 30),
        (0.85, "0.99", 30),
        (0.90, "1", 25),
        (0.90, "0.93", 285),
        (0.90, "0.95", 100),
        (0.90, "0.97", 60),
        (0.90, "0.99", 45),
        (0.95, "1", 52),
        (0.95, "0.93", None),
        (0.95, "0.95", None),
        (0.95, "0.97", 360),
        (0.95, "0.99", 90),
    ],
)
def test_the_table_of_sample_sizes(target: float, rate: str, needed: int | None) -> None:
    assert items_needed(target, Fraction(rate)) == needed


@pytest.mark.parametrize(("n", "bound"), [(59, 0.05), (299, 0.01)])
def test_clean_answers_bound_the_failure_rate(n: int, bound: float) -> None:
    assert failure_rate_upper(0, n) < bound < failure_rate_upper(0, n - 1)


def test_one_failure_in_93_bounds_the_rate_at_5_percent() -> None:
    # The next step of the rule of three (exact binomial): 1 failure needs 93 answers.
    assert failure_rate_upper(1, 93) < 0.05 < failure_rate_upper(1, 92)


def test_more_items_are_asked_for_where_the_difference_allows_it() -> None:
    assert items_needed_paired(PairedCounts(30, 2, 2, 6), 0.05) > 40
    assert items_needed_paired(PairedCounts(30, 8, 2, 0), 0.05) is None
