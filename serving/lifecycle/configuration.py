"""The options of the medical system, each with an effect here, or checked against the house."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from registry.models import BaseModel
from registry.selectors import base_model_by_name
from serving.lifecycle.enums import CacheStrategy, MemoryOptimizationLevel
from serving.lifecycle.errors import ConfigurationRefused
from serving.models import Node

log = structlog.get_logger("adapters.configuration")
ORDERS = (CacheStrategy.LRU, CacheStrategy.LFU)
DEVICE_WITHOUT_GPU = "cpu"


@dataclass(frozen=True, kw_only=True)
class SystemConfiguration:
    """What a lifecycle manager works with; docs/contracts/lifecycle.md has a row for each option.

    ``max_memory_mb``: of all nodes of the base together. Intervals and timeouts are in seconds.

    Raises:
        ConfigurationRefused: naming the option, what is wrong with it and what holds here.
    """

    base_model_id: str
    base_model_path: str | None = None
    registry_path: str | None = None
    enable_medical_compliance: bool = True
    cache_strategy: CacheStrategy = CacheStrategy.LRU
    memory_optimization: MemoryOptimizationLevel = MemoryOptimizationLevel.MEDICAL_STRICT
    max_cache_size: int = 10
    max_memory_mb: int = 16384
    enable_gpu_optimization: bool = True
    max_concurrent_loads: int = 2
    max_concurrent_swaps: int = 3
    enable_metrics: bool = True
    metrics_storage_path: str | None = None
    monitoring_interval: float = 60
    auto_rollback_enabled: bool = True
    health_check_interval: float = 30
    emergency_swap_timeout: float = 60.0
    require_medical_validation: bool = True
    hipaa_compliance_required: bool = True
    clinical_trial_mode: bool = False

    def __post_init__(self) -> None:
        for name, rule in _RULES.items():
            value = getattr(self, name)
            if fault := rule(value):
                raise ConfigurationRefused(f"{name}={value!r}: {fault}", fix=_FIX)

    def settle(self) -> BaseModel:
        """The registered base, after what only the database can tell was compared.

        Raises:
            BaseModelNotFound: no base has this name.
            ConfigurationRefused: the base lies elsewhere, or a node uses a GPU against the wish.
        """
        base = base_model_by_name(self.base_model_id)
        if self.base_model_path is not None:
            given, registered = Path(self.base_model_path).resolve(), Path(base.folder).resolve()
            if given != registered:
                raise ConfigurationRefused(
                    f"base_model_path={self.base_model_path!r}: {base.slug} is registered from "
                    f"{registered}.",
                    fix="Leave it out, or register the other folder as a base of its own.",
                )
        if not self.enable_gpu_optimization:
            self._refuse_gpus(base)
        for option in ("registry_path", "metrics_storage_path"):
            if getattr(self, option) is not None:
                log.warning("lifecycle.path_unused_the_database_is_the_registry", object=option)
        return base

    @staticmethod
    def _refuse_gpus(base: BaseModel) -> None:
        for node in Node.objects.filter(base_model=base, is_enabled=True).order_by("name"):
            device = str(node.status.get("device") or DEVICE_WITHOUT_GPU)
            if device != DEVICE_WITHOUT_GPU:
                raise ConfigurationRefused(
                    f"enable_gpu_optimization=False: the node {node.name} computes on {device}.",
                    fix="Start its engine with --device cpu, or leave the option on.",
                )


_FIX = "Leave the option out, or give what docs/contracts/lifecycle.md says of it."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> str:
    return "" if _is_number(value) and 0 < value < 1e9 else "a number above 0 is needed."


def _count(value: Any) -> str:
    is_good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return "" if is_good else "a whole number from 1 on is needed."


def _name(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else "a registered base model is needed."


def _path(value: Any) -> str:
    return "" if value is None or isinstance(value, str) else "a path or None is needed."


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "True or False is needed."


def _always(held: bool, why: str) -> Callable[[Any], str]:
    return lambda value: "" if value is held else why


def _cache(value: Any) -> str:
    if value in ORDERS:
        return ""
    return f"cleanups know the orders {' and '.join(str(order) for order in ORDERS)}."


def _memory(value: Any) -> str:
    if value is MemoryOptimizationLevel.MEDICAL_STRICT:
        return ""
    return "nodes zero every slot that they free and spill nothing; only medical_strict is that."


_RULES: Mapping[str, Callable[[Any], str]] = {
    "base_model_id": _name,
    "base_model_path": _path,
    "registry_path": _path,
    "enable_medical_compliance": _always(True, "this house always examines what it serves."),
    "cache_strategy": _cache,
    "memory_optimization": _memory,
    "max_cache_size": _count,
    "max_memory_mb": _count,
    "enable_gpu_optimization": _flag,
    "max_concurrent_loads": _count,
    "max_concurrent_swaps": _count,
    "enable_metrics": _always(
        True, "answers are always counted: rollouts and rollbacks are judged by the counts."
    ),
    "metrics_storage_path": _path,
    "monitoring_interval": _positive,
    "auto_rollback_enabled": _always(
        True, "a rollout that fails is always rolled back; its limits are the deployment's policy."
    ),
    "health_check_interval": _positive,
    "emergency_swap_timeout": _positive,
    "require_medical_validation": _always(True, "no version is served without its approval."),
    "hipaa_compliance_required": _always(
        True, "every version passes the same checks; none can be left out."
    ),
    "clinical_trial_mode": _always(
        False, "there is no mode with other rules; a trial's versions pass the same gate."
    ),
}
