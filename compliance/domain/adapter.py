"""The adapter that a snapshot's package holds: its configuration read once for all checks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compliance.domain.file_kinds import read_json
from compliance.domain.snapshot import BaseSection, PackageFacts, UpdateFacts
from registry.domain.peft import (
    AdapterConfigInvalid,
    LoraConfig,
    ModulePlan,
    expand_targets,
    parse_config,
)

CONFIG_FILE = "adapter_config.json"
_LAYER = re.compile(r"(?:^|\.)(\d+)\.")


@dataclass(frozen=True)
class AdapterView:
    """``raw``: adapter_config.json decoded, empty when unreadable; ``config``: None when invalid.

    ``error``: why there is no ``config``, in words.
    """

    raw: Mapping[str, Any] = field(default_factory=dict)
    config: LoraConfig | None = None
    error: str = ""


def read_adapter(package: PackageFacts | None) -> AdapterView:
    """The configuration in ``package``; never raises."""
    if package is None:
        return AdapterView(error="there is no package")
    if package["config_text"] is None:
        return AdapterView(error=package["config_error"] or f"there is no {CONFIG_FILE}")
    data, error = read_json(package["config_text"])
    if error:
        return AdapterView(error=error)
    if not isinstance(data, dict):
        return AdapterView(error="it holds no JSON object")
    try:
        return AdapterView(raw=data, config=parse_config(data))
    except AdapterConfigInvalid as problem:
        return AdapterView(raw=data, error=problem.message)


def base_shapes(base: BaseSection) -> dict[str, tuple[int, int]]:
    """Module path → (out, in) of the base."""
    return {module: (shape[0], shape[1]) for module, shape in base["shapes"].items()}


def adapter_plans(view: AdapterView, base: BaseSection | None) -> dict[str, ModulePlan]:
    """What the adapter does to each module of the base; empty where either can't be read."""
    if view.config is None or base is None:
        return {}
    return expand_targets(view.config, base["shapes"])


def scaled_updates(package: PackageFacts, base: BaseSection) -> list[UpdateFacts]:
    """The package's updates with each module's scale applied, to compare versions by."""
    plans = adapter_plans(read_adapter(package), base)
    weights = package["weights"]
    scaled: list[UpdateFacts] = []
    for update in weights["updates"] if weights else []:
        plan = plans.get(update["module"])
        if plan is None or update["norm"] is None:
            continue
        norm = f"{float(update['norm']) * plan.scale:.6g}"
        scaled.append({**update, "norm": norm})
    return scaled


def layer_count(base: BaseSection) -> int:
    """How many layers the base's module names show (the highest number plus one)."""
    return 1 + max((layer_of(module) for module in base["shapes"]), default=-1)


def layer_of(name: str) -> int:
    """The layer number in a module or tensor name; -1 where it has none."""
    found = _LAYER.search(name)
    return int(found[1]) if found and len(found[1]) < 10 else -1


def module_kind(module: str) -> str:
    """The last part of a module path, which modules of the same kind share (``q_proj``)."""
    return module.rsplit(".", 1)[-1]


def shown(value: Any, *, limit: int = 80) -> str:
    """A value from an uploaded file, printable and shortened, as it may stand in a message."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
