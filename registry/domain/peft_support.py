"""What an adapter_config.json may hold: types of its keys, and features that no engine serves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.patterns import pattern_problem

REQUIRED_KEYS = ("peft_type", "r", "lora_alpha", "target_modules")
MAX_WHOLE_NUMBER = 2**31 - 1
MAX_NAMES = 2000
"""In one list or pattern object; a model of 80 layers has 560 linear modules."""
PLAIN_INITS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""Values of init_lora_weights that leave the base's weights as they are."""

# fmt: off
KNOWN_KEYS = frozenset({
    "task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path",
    "revision", "inference_mode", "r", "target_modules", "exclude_modules", "lora_alpha",
    "lora_dropout", "fan_in_fan_out", "bias", "use_rslora", "modules_to_save",
    "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
    "megatron_config", "megatron_core", "trainable_token_indices", "loftq_config", "eva_config",
    "corda_config", "lora_ga_config", "use_dora", "velora_config", "alora_invocation_tokens",
    "use_qalora", "qalora_group_size", "monteclora_config", "layer_replication", "runtime_config",
    "lora_bias", "target_parameters", "use_bdlora", "arrow_config", "kasa_config",
    "ensure_weight_tying",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong, where (``key``: config key or tensor name), and how to mend it."""

    key: str
    message: str
    fix: str

    def as_error(self) -> dict[str, str]:
        """As an item of a problem response's ``errors``."""
        return {"key": self.key, "message": self.message, "fix": self.fix}


@dataclass(frozen=True, slots=True)
class _Feature:
    key: str
    label: str
    fix: str
    is_on: Callable[[Any], bool] = bool


_RETRAIN = "Retrain as plain LoRA, or merge the adapter and train a plain one."
_FEATURES = (
    _Feature("use_dora", "DoRA", _RETRAIN),
    _Feature(
        "bias", "trained bias", "Retrain with bias='none'.", lambda v: v not in (None, "none")
    ),
    _Feature("lora_bias", "LoRA bias", "Retrain with lora_bias=False."),
    _Feature("modules_to_save", "modules_to_save", "Retrain without modules_to_save."),
    _Feature(
        "alora_invocation_tokens",
        "aLoRA (activated by tokens)",
        _RETRAIN,
        lambda v: v is not None,
    ),
    _Feature("trainable_token_indices", "trained tokens", "Retrain without added tokens."),
    _Feature("layer_replication", "layer replication", _RETRAIN),
    _Feature("target_parameters", "target_parameters", "Target modules, not parameters."),
    _Feature("fan_in_fan_out", "fan_in_fan_out", "Retrain on the linear layers of this base."),
    _Feature("megatron_config", "Megatron layers", "Retrain without megatron_config."),
    _Feature("use_qalora", "QALoRA", _RETRAIN),
    _Feature("use_bdlora", "block-diagonal LoRA", _RETRAIN),
    _Feature("velora_config", "VeLoRA", _RETRAIN),
    _Feature("monteclora_config", "Monte Carlo LoRA", _RETRAIN),
    _Feature("arrow_config", "Arrow routing", _RETRAIN),
    _Feature("kasa_config", "KaSA", "Convert it to plain LoRA; KaSA changes the base's weights."),
    _Feature("lora_ga_config", "LoRA-GA", "Convert it to plain LoRA (it changes the base)."),
    _Feature(
        "init_lora_weights",
        "an initialisation that changes the base's weights",
        "Save it converted: save_pretrained(..., path_initial_model_for_weight_conversion=...).",
        lambda v: v not in PLAIN_INITS,
    ),
)


def unsupported_features(raw: Mapping[str, Any]) -> list[ConfigProblem]:
    """The features in ``raw`` (decoded adapter_config.json) that our engines refuse, by name."""
    return [
        ConfigProblem(
            key=feature.key,
            message=f"{feature.label} ({feature.key}={_shown(raw[feature.key])}) is not supported",
            fix=feature.fix,
        )
        for feature in _FEATURES
        if feature.key in raw and feature.is_on(raw[feature.key])
    ]


def unknown_keys(raw: Mapping[str, Any]) -> list[str]:
    """Keys that PEFT 0.21 does not know, sorted."""
    return sorted(raw.keys() - KNOWN_KEYS)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def config_problems(raw: Mapping[str, Any]) -> list[ConfigProblem]:
    """What keeps ``raw`` from being read as LoRA: missing keys, wrong types, dangerous patterns."""
    problems = [
        ConfigProblem(key, f"{key} is missing", "Save the adapter again with PEFT.")
        for key in REQUIRED_KEYS
        if raw.get(key) is None
    ]
    problems += [
        ConfigProblem(key, f"{key} is {_shown(raw[key])}, it should be {wanted}", "Mend the value.")
        for key, (is_valid, wanted) in _TYPES.items()
        if raw.get(key) is not None and not is_valid(raw[key])
    ]
    if not problems:
        problems = _layer_problems(raw) + _pattern_problems(raw)
    return problems


def _layer_problems(raw: Mapping[str, Any]) -> list[ConfigProblem]:
    problems = []
    has_layers = raw.get("layers_to_transform") not in (None, [])
    if has_layers and isinstance(raw["target_modules"], str):
        problems.append(
            ConfigProblem(
                "layers_to_transform",
                "layers_to_transform does not go with target_modules given as one text",
                "Put the layer numbers into the pattern, or list the modules.",
            )
        )
    if raw.get("layers_pattern") and not has_layers:
        problems.append(
            ConfigProblem(
                "layers_pattern",
                "layers_pattern needs layers_to_transform",
                "Remove layers_pattern or name the layers.",
            )
        )
    return problems


def _pattern_problems(raw: Mapping[str, Any]) -> list[ConfigProblem]:
    patterns: list[tuple[str, str]] = []
    for key in ("target_modules", "exclude_modules"):
        if isinstance(raw.get(key), str):
            patterns.append((key, raw[key]))
    for key in ("rank_pattern", "alpha_pattern"):
        patterns += [(key, pattern) for pattern in raw.get(key) or {}]
    layers = raw.get("layers_pattern") or []
    patterns += [("layers_pattern", p) for p in ([layers] if isinstance(layers, str) else layers)]
    return [
        ConfigProblem(key, f"{key}: {problem}", "Write a simpler pattern, or list the modules.")
        for key, pattern in patterns
        if (problem := pattern_problem(pattern)) is not None
    ]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE_NUMBER


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list)
        and len(value) <= MAX_NAMES
        and all(isinstance(item, str) and item for item in value)
    )


def _is_layers(value: Any) -> bool:
    return _is_int(value) or (isinstance(value, list) and all(_is_int(item) for item in value))


def _is_patterns(value: Any) -> bool:
    return isinstance(value, dict) and len(value) <= MAX_NAMES and "" not in value


def _is_ranks(value: Any) -> bool:
    return _is_patterns(value) and all(_is_int(v) and v > 0 for v in value.values())


def _is_alphas(value: Any) -> bool:
    return _is_patterns(value) and all(_is_positive(v) for v in value.values())


_TEXTS = f"a text or a list of at most {MAX_NAMES} texts"
_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "peft_type": (lambda v: v == "LORA", "LORA"),
    "r": (lambda v: _is_int(v) and v > 0, "a whole number above 0"),
    "lora_alpha": (_is_positive, "a number above 0"),
    "target_modules": (lambda v: _is_texts(v) and bool(v), _TEXTS),
    "exclude_modules": (_is_texts, _TEXTS),
    "layers_pattern": (_is_texts, _TEXTS),
    "layers_to_transform": (_is_layers, "a layer number or a list of them"),
    "rank_pattern": (
        _is_ranks,
        f"at most {MAX_NAMES} module patterns, each with a whole number above 0",
    ),
    "alpha_pattern": (
        _is_alphas,
        f"at most {MAX_NAMES} module patterns, each with a number above 0",
    ),
    "use_rslora": (lambda v: isinstance(v, bool), "true or false"),
    "base_model_name_or_path": (lambda v: isinstance(v, str), "a text"),
    "task_type": (lambda v: isinstance(v, str), "a text"),
}
