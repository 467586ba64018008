"""What a training may be told: defaults, bounds, and the plan of steps that follows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from config.core.errors import DomainError, ErrorKind
from registry.domain.packages import printable

MODULES = (
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
)  # fmt: skip
WARMUP_SHARE = 10
MOST_ERRORS = 20
LEAST_POINTS, MOST_POINTS = 50, 500


class TrainingParametersInvalid(DomainError):
    """A parameter is unknown or out of range; ``errors`` lists each."""

    code = "training-parameters-invalid"
    title = "The training can't be done like this"
    kind = ErrorKind.UNPROCESSABLE


@dataclass(frozen=True, kw_only=True)
class TrainingParameters:
    """Hyperparameters: AdamW with a linear warm-up and descent, LoRA on ``target_modules``.

    One optimizer step takes ``batch_size × gradient_accumulation_steps`` examples.
    ``max_seq_length`` is in tokens; ``save_steps`` and ``logging_steps`` in optimizer steps.
    """

    learning_rate: float = 2e-4
    num_epochs: int = 3
    batch_size: int = 4
    gradient_accumulation_steps: int = 4
    warmup_steps: int = 100
    max_seq_length: int = 512
    save_steps: int = 500
    logging_steps: int = 10
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.1
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """The defaults with ``values`` over them; None means the default.

        Raises:
            TrainingParametersInvalid: naming every value that is unknown or out of range.
        """
        names = {field.name for field in fields(cls)}
        given = {key: value for key, value in values.items() if value is not None}
        errors = [
            {"pointer": f"/{printable(key)[:60]}", "message": "is no parameter of a training"}
            for key in sorted(set(given) - names)[:MOST_ERRORS]
        ]
        for key in sorted(set(given) & names):
            is_right, wanted = _RULES[key]
            if not is_right(given[key]):
                errors.append({"pointer": f"/{key}", "message": f"must be {wanted}"})
        if errors:
            raise TrainingParametersInvalid(
                "; ".join(f"{row['pointer']} {row['message']}" for row in errors),
                fix="Mend the named parameters, or leave them out for their defaults.",
                errors=errors,
            )
        if "target_modules" in given:
            given["target_modules"] = tuple(sorted(set(given["target_modules"])))
        for key in ("learning_rate", "lora_dropout"):
            if key in given:
                given[key] = float(given[key])
        return cls(**given)

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON column; ``parse`` reads it back."""
        return {**asdict(self), "target_modules": list(self.target_modules)}


@dataclass(frozen=True)
class StepPlan:
    """How many optimizer steps ``examples`` make, and when what happens in them."""

    examples: int
    parameters: TrainingParameters

    @property
    def examples_a_step(self) -> int:
        """Examples whose gradients are added up before the weights move."""
        return self.parameters.batch_size * self.parameters.gradient_accumulation_steps

    @property
    def steps_an_epoch(self) -> int:
        """Optimizer steps of one pass over the examples; the last may be smaller."""
        return math.ceil(self.examples / self.examples_a_step)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.steps_an_epoch * self.parameters.num_epochs

    @property
    def warmup_steps(self) -> int:
        """Steps of rising learning rate: as told, and at most a tenth, so that short runs learn."""
        return min(self.parameters.warmup_steps, self.steps // WARMUP_SHARE)

    def learning_rate(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0: up to the given one, down to 0."""
        warm, steps = self.warmup_steps, self.steps
        if step < warm:
            return self.parameters.learning_rate * (step + 1) / warm
        return self.parameters.learning_rate * (steps - step) / max(1, steps - warm)

    @property
    def steps_a_point(self) -> int:
        """Steps whose mean loss is one point of the curve: as told, finer for short runs."""
        finest = max(1, math.ceil(self.steps / MOST_POINTS))
        return max(finest, min(self.parameters.logging_steps, self.steps // LEAST_POINTS))


def _whole(low: int, high: int) -> tuple[Callable[[Any], bool], str]:
    def is_right(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return is_right, f"a whole number from {low} to {high}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_modules(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(item, str) and item in MODULES for item in value)
    )


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "learning_rate": (lambda v: _is_number(v) and 0 < v <= 0.1, "above 0 and at most 0.1"),
    "num_epochs": _whole(1, 100),
    "batch_size": _whole(1, 256),
    "gradient_accumulation_steps": _whole(1, 256),
    "warmup_steps": _whole(0, 100_000),
    "max_seq_length": _whole(16, 8192),
    "save_steps": _whole(1, 1_000_000),
    "logging_steps": _whole(1, 1_000_000),
    "lora_r": _whole(1, 256),
    "lora_alpha": _whole(1, 1024),
    "lora_dropout": (lambda v: _is_number(v) and 0 <= v < 1, "from 0 to below 1"),
    "target_modules": (_are_modules, f"a list of {', '.join(MODULES)}"),
}
