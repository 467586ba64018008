"""LoRA arithmetic of PEFT 0.21: what an adapter_config means on a base; for checks and engines."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from config.core.errors import DomainError, ErrorKind
from registry.domain.patterns import pattern_problem
from registry.domain.peft_support import ConfigProblem, config_problems

Shape = tuple[int, int]
Side = Literal["A", "B"]

TENSOR_PREFIX = "base_model.model."
ALL_LINEAR = "all-linear"
OUTPUT_EMBEDDING = "lm_head"
INPUT_EMBEDDING_SUFFIXES = ("embed_tokens", "wte", "word_embeddings", "embed_in")

_TENSOR_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


class AdapterConfigInvalid(DomainError):
    """adapter_config.json can't be read as a LoRA configuration; ``errors`` lists each place."""

    code = "adapter-config-invalid"
    title = "The adapter's configuration is not a valid LoRA configuration"
    kind = ErrorKind.UNPROCESSABLE


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """The part of an adapter_config.json that decides what the adapter computes."""

    r: int
    alpha: float
    use_rslora: bool
    target_modules: str | tuple[str, ...]
    exclude_modules: str | tuple[str, ...] = ()
    layers_to_transform: tuple[int, ...] = ()
    layers_pattern: tuple[str, ...] = ()
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    base_name: str | None = None
    task_type: str | None = None


@dataclass(frozen=True, slots=True)
class ModulePlan:
    """What an adapter does to a module: ``delta W = scale * B @ A`` (B out × rank, A rank × in)."""

    module: str
    rank: int
    alpha: float
    scale: float


def parse_config(raw: Mapping[str, Any]) -> LoraConfig:
    """The LoRA configuration in the decoded adapter_config.json ``raw``.

    Features that no engine serves are not refused here; see ``peft_support``.

    Raises:
        AdapterConfigInvalid: keys are missing or of the wrong type; ``errors`` has all of them.
    """
    problems = config_problems(raw)
    if problems:
        raise AdapterConfigInvalid(
            "adapter_config.json: " + "; ".join(problem.message for problem in problems),
            fix=problems[0].fix,
            errors=[problem.as_error() for problem in problems],
        )
    targets = raw["target_modules"]
    return LoraConfig(
        r=raw["r"],
        alpha=float(raw["lora_alpha"]),
        use_rslora=bool(raw.get("use_rslora")),
        target_modules=targets if isinstance(targets, str) else tuple(sorted(targets)),
        exclude_modules=_names(raw.get("exclude_modules"), text_stays=True),
        layers_to_transform=_layers(raw.get("layers_to_transform")),
        layers_pattern=tuple(_names(raw.get("layers_pattern"))),
        rank_pattern=dict(raw.get("rank_pattern") or {}),
        alpha_pattern={key: float(val) for key, val in (raw.get("alpha_pattern") or {}).items()},
        base_name=raw.get("base_model_name_or_path"),
        task_type=raw.get("task_type"),
    )


def _names(value: Any, *, text_stays: bool = False) -> str | tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        return value if text_stays else (value,)
    return tuple(value)


def _layers(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)


def is_linear(module: str) -> bool:
    """Whether ``module`` (a 2-D weight) is a linear layer and no embedding or output head."""
    last = module.rsplit(".", 1)[-1]
    return last != OUTPUT_EMBEDDING and last not in INPUT_EMBEDDING_SUFFIXES


def is_target(config: LoraConfig, module: str) -> bool:
    """Whether PEFT would put this adapter on ``module`` (PEFT ``check_target_module_exists``)."""
    if _is_excluded(config.exclude_modules, module):
        return False
    targets = config.target_modules
    if isinstance(targets, str):
        if targets.lower() == ALL_LINEAR:
            return is_linear(module)
        return re.fullmatch(targets, module) is not None
    if module in targets:
        return True
    if not any(module.endswith(f".{target}") for target in targets):
        return False
    if not config.layers_to_transform:
        return True
    return _layer_index(config.layers_pattern, module) in config.layers_to_transform


def _is_excluded(exclude: str | tuple[str, ...], module: str) -> bool:
    if isinstance(exclude, str):
        return re.fullmatch(exclude, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in exclude)


def _layer_index(patterns: Sequence[str], module: str) -> int | None:
    if not patterns:
        found = re.match(r".*?\.[^.]*\.(?P<index>\d+)\.", module)
        return int(found["index"]) if found else None
    for pattern in patterns:
        found = re.match(rf"(?:^|.*?\.){pattern}\.(?P<index>\d+)\.", module)
        if found:
            return int(found["index"])
    return None


@lru_cache(maxsize=8192)
def _ending(pattern: str) -> re.Pattern[str]:
    # The cache of ``re`` itself holds 512, fewer than a large model has modules.
    return re.compile(rf"(.*\.)?({pattern})$")


def pattern_value(patterns: Mapping[str, float], module: str, default: float) -> float:
    """The first pattern's value that matches the end of ``module`` (PEFT ``get_pattern_key``)."""
    for pattern, value in patterns.items():
        if _ending(pattern).match(module):
            return value
    return patterns.get(module, default)


def idle_patterns(patterns: Iterable[str], modules: Iterable[str]) -> list[str]:
    """The patterns that match none of ``modules``; PEFT passes over them in silence."""
    known = list(modules)
    return [
        pattern
        for pattern in patterns
        if pattern not in known and not any(_ending(pattern).match(name) for name in known)
    ]


def scale_of(*, alpha: float, rank: int, use_rslora: bool) -> float:
    """The factor on ``B @ A``: alpha / r, or alpha / sqrt(r) for rsLoRA (arXiv 2312.03732)."""
    return alpha / math.sqrt(rank) if use_rslora else alpha / rank


def plan_module(config: LoraConfig, module: str) -> ModulePlan:
    """Rank, alpha and scale of ``module``, rank_pattern and alpha_pattern resolved as PEFT does."""
    rank = int(pattern_value(config.rank_pattern, module, config.r))
    alpha = pattern_value(config.alpha_pattern, module, config.alpha)
    scale = scale_of(alpha=alpha, rank=rank, use_rslora=config.use_rslora)
    return ModulePlan(module=module, rank=rank, alpha=alpha, scale=scale)


def expand_targets(config: LoraConfig, modules: Iterable[str]) -> dict[str, ModulePlan]:
    """The plan of every module of a base (``BaseFacts.shapes`` keys) that the adapter targets."""
    return {module: plan_module(config, module) for module in modules if is_target(config, module)}


def unmatched_targets(config: LoraConfig, modules: Iterable[str]) -> list[str]:
    """Names in a target list that no module of the base answers to."""
    if isinstance(config.target_modules, str):
        return []
    known = list(modules)
    return [
        target
        for target in config.target_modules
        if not any(name == target or name.endswith(f".{target}") for name in known)
    ]


def matched_containers(config: LoraConfig, modules: Iterable[str]) -> list[str]:
    """What a pattern of targets matches beside linear layers: the modules that hold them.

    PEFT refuses to load such an adapter, so none was ever trained.
    """
    targets = config.target_modules
    if not isinstance(targets, str) or targets.lower() == ALL_LINEAR:
        return []
    containers = {
        ".".join(parts[:length])
        for parts in (module.split(".") for module in modules)
        for length in range(1, len(parts))
    }
    return sorted(name for name in containers if is_target(config, name))


def tensor_name(module: str, side: Side) -> str:
    """The name of a matrix in adapter_model.safetensors, as PEFT saves it."""
    return f"{TENSOR_PREFIX}{module}.lora_{side}.weight"


def module_of(name: str) -> tuple[str, Side] | None:
    """Module and side of a tensor name; None when it is no plain LoRA matrix."""
    found = _TENSOR_NAME.fullmatch(name)
    if found is None:
        return None
    return found["module"], "A" if found["side"] == "A" else "B"


def expected_tensors(
    plans: Mapping[str, ModulePlan], shapes: Mapping[str, Shape]
) -> dict[str, Shape]:
    """Name → shape of each tensor the file must hold: A is rank × in, B is out × rank."""
    expected: dict[str, Shape] = {}
    for module, plan in plans.items():
        out_features, in_features = shapes[module]
        expected[tensor_name(module, "A")] = (plan.rank, in_features)
        expected[tensor_name(module, "B")] = (out_features, plan.rank)
    return expected


def tensor_problems(
    found: Mapping[str, Sequence[int]],
    plans: Mapping[str, ModulePlan],
    shapes: Mapping[str, Shape],
) -> list[ConfigProblem]:
    """Where the tensors in the file (name → shape) differ from what config and base ask for."""
    expected = expected_tensors(plans, shapes)
    problems = []
    for name in sorted(expected.keys() - found.keys()):
        problems.append(
            ConfigProblem(
                key=name,
                message=f"{name} is missing",
                fix="Save the adapter again with PEFT; the file lacks a module that its "
                "configuration targets.",
            )
        )
    for name in sorted(found.keys() - expected.keys()):
        problems.append(
            ConfigProblem(
                key=name,
                message=f"{name} belongs to no module that the configuration targets on this base",
                fix="Save the adapter again with PEFT, or choose the base it was trained for.",
            )
        )
    for name in sorted(expected.keys() & found.keys()):
        if tuple(found[name]) != expected[name]:
            problems.append(
                ConfigProblem(
                    key=name,
                    message=f"{name} has shape {list(found[name])}, configuration and base ask "
                    f"for {list(expected[name])}",
                    fix="The adapter was made for another model or another rank: choose the right "
                    "base, or mend r and rank_pattern.",
                )
            )
    return problems


__all__ = [
    "AdapterConfigInvalid",
    "ConfigProblem",
    "LoraConfig",
    "ModulePlan",
    "Shape",
    "config_problems",
    "expand_targets",
    "expected_tensors",
    "idle_patterns",
    "is_linear",
    "is_target",
    "matched_containers",
    "module_of",
    "parse_config",
    "pattern_problem",
    "plan_module",
    "scale_of",
    "tensor_name",
    "tensor_problems",
    "unmatched_targets",
]
