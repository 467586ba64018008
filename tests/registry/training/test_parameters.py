"""Defaults and bounds of a training, and the steps that follow from them."""

import pytest

from registry.domain.training_parameters import (
    StepPlan,
    TrainingParameters,
    TrainingParametersInvalid,
)


def test_the_default_learning_rate_A32() -> None:
    assert TrainingParameters.parse({}).learning_rate == 2e-4
    given = TrainingParameters.parse({"learning_rate": 1e-3})
    assert given.learning_rate == 1e-3
    # Nine steps have no warm-up: the first is taken at the whole rate.
    assert StepPlan(40, given).learning_rate(0) == 1e-3
    assert StepPlan(40, TrainingParameters.parse({})).learning_rate(0) == 2e-4


def test_the_default_number_of_epochs_A33() -> None:
    assert TrainingParameters.parse({}).num_epochs == 3
    assert StepPlan(40, TrainingParameters.parse({})).steps == 3 * 3


def test_the_default_batch_size_A34() -> None:
    assert TrainingParameters.parse({}).batch_size == 4
    assert StepPlan(40, TrainingParameters.parse({"batch_size": 1})).steps == 3 * 10


def test_the_other_defaults() -> None:
    given = TrainingParameters.parse({"learning_rate": None})
    assert (given.gradient_accumulation_steps, given.warmup_steps) == (4, 100)
    assert (given.max_seq_length, given.save_steps, given.logging_steps) == (512, 500, 10)
    assert (given.lora_r, given.lora_alpha, given.lora_dropout) == (16, 32, 0.1)
    assert given.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert TrainingParameters.parse(given.as_json()).as_json()["lora_r"] == 16


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", 0.11),
        ("learning_rate", float("nan")),
        ("learning_rate", True),
        ("num_epochs", 0),
        ("num_epochs", 2.5),
        ("batch_size", 10**400),
        ("lora_dropout", 1),
        ("target_modules", []),
        ("target_modules", ["lm_head"]),
        ("target_modules", "q_proj"),
        ("load_in_4bit", True),
    ],
)
def test_what_is_out_of_range_is_named(key: str, value: object) -> None:
    with pytest.raises(TrainingParametersInvalid) as caught:
        TrainingParameters.parse({"num_epochs": 2, key: value})
    assert [row["pointer"] for row in caught.value.errors] == [f"/{key}"]


def test_the_rate_rises_and_falls() -> None:
    plan = StepPlan(1600, TrainingParameters.parse({"num_epochs": 1, "learning_rate": 0.01}))
    assert (plan.steps, plan.warmup_steps) == (100, 10)
    rates = [plan.learning_rate(step) for step in range(plan.steps)]
    assert rates[0] == pytest.approx(0.001) and max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == 9 and rates[-1] > 0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert StepPlan(8, TrainingParameters.parse({})).learning_rate(0) == 2e-4


@pytest.mark.parametrize("examples", [1, 15, 800, 100_000, 10_000_000])
def test_a_curve_has_neither_too_few_nor_too_many_points(examples: int) -> None:
    plan = StepPlan(examples, TrainingParameters.parse({"logging_steps": 10_000}))
    points = plan.steps / plan.steps_a_point
    assert min(plan.steps, 50) <= points <= 500
