"""Every strategy, held to what a list of steps must be."""

from itertools import pairwise

import pytest

from serving.domain.steps import Situation, StepProgress, progress_percentage
from serving.states import RolloutState, StepKind, StepState
from serving.strategies import STRATEGIES
from serving.strategies.base import Strategy


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("has_stable", [True, False])
def test_the_contract_of_every_strategy(strategy: Strategy, has_stable: bool) -> None:
    steps = strategy.steps(Situation(stages=(5, 20, 50), has_stable=has_stable))
    kinds = [step.kind for step in steps]
    assert kinds.count(StepKind.PROMOTE) == 1
    assert set(kinds[kinds.index(StepKind.PROMOTE) + 1 :]) <= {StepKind.UNLOAD}
    weights = [step.params["weight_percent"] for step in steps if step.kind is StepKind.SET_WEIGHT]
    assert weights == sorted(weights)
    for before, step in pairwise(steps):
        if step.kind is StepKind.ANALYSE:
            assert before.kind is StepKind.SET_WEIGHT and before.params == step.params
        if step.kind is StepKind.SET_WEIGHT:
            assert StepKind.EVALUATE in kinds[: kinds.index(step.kind)], "no traffic before"
    if StepKind.LOAD in kinds:
        assert kinds[0] is StepKind.LOAD


def test_a_first_revision_has_nothing_to_be_compared_with() -> None:
    steps = STRATEGIES["canary"].steps(Situation(stages=(20, 50), has_stable=False))
    assert [step.kind for step in steps] == [StepKind.LOAD, StepKind.EVALUATE, StepKind.PROMOTE]


def test_blue_green_goes_from_nothing_to_everything_in_one_step() -> None:
    steps = STRATEGIES["blue_green"].steps(Situation(stages=(20, 50), has_stable=True))
    assert [step.kind for step in steps] == [
        StepKind.LOAD, StepKind.EVALUATE, StepKind.SET_WEIGHT, StepKind.ANALYSE,
        StepKind.PROMOTE, StepKind.UNLOAD,
    ]  # fmt: skip
    assert steps[2].params["weight_percent"] == 100
    assert steps[0].params["is_everywhere"]


def test_progress_grows_and_is_whole_only_at_the_end() -> None:
    kinds = [
        s.kind for s in STRATEGIES["canary"].steps(Situation(stages=(20, 50), has_stable=True))
    ]
    seen = []
    for done in range(len(kinds) + 1):
        steps = [
            StepProgress(kind, StepState.DONE if index < done else StepState.WAITING)
            for index, kind in enumerate(kinds)
        ]
        seen.append(progress_percentage(RolloutState.RUNNING, steps))
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 99
    assert progress_percentage(RolloutState.PROMOTED, []) == 100
