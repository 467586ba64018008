"""The words of the medical system's interface that have a fixed set of values."""

from enum import StrEnum


class AdapterType(StrEnum):
    """Kinds of adapters. Nodes load LoRA; the others are known so that they are refused by name."""

    LORA = "lora"
    ADALORA = "adalora"
    IA3 = "ia3"
    PREFIX_TUNING = "prefix_tuning"
    P_TUNING = "p_tuning"
    MEDICAL_LORA = "medical_lora"
    CLINICAL_LORA = "clinical_lora"


LOADABLE = (AdapterType.LORA, AdapterType.MEDICAL_LORA, AdapterType.CLINICAL_LORA)
MEDICAL = (AdapterType.MEDICAL_LORA, AdapterType.CLINICAL_LORA)


class SwapStrategy(StrEnum):
    """Ways to swap. Which of them the house has, ``serving.strategies.CHOSEN_BY_PEOPLE`` says."""

    BLUE_GREEN = "blue_green"
    GRADUAL_ROLLOUT = "gradual_rollout"
    CANARY = "canary"
    SHADOW = "shadow"
    EMERGENCY = "emergency"


class CacheStrategy(StrEnum):
    """Which adapter a cleanup puts out first."""

    LRU = "lru"
    LFU = "lfu"
    TTL = "ttl"
    MEMORY_AWARE = "memory_aware"
    HYBRID = "hybrid"


class MemoryOptimizationLevel(StrEnum):
    """How strictly memory is kept clean."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"
    MEDICAL_STRICT = "medical_strict"


class SwapStatus(StrEnum):
    """How far a swap is."""

    PENDING = "pending"
    VALIDATING = "validating"
    LOADING = "loading"
    TESTING = "testing"
    SWITCHING = "switching"
    COMPLETED = "completed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"


class EventType(StrEnum):
    """What handlers can be added for."""

    ADAPTER_LOADED = "adapter_loaded"
    ADAPTER_UNLOADED = "adapter_unloaded"
    SWAP_STARTED = "swap_started"
    SWAP_COMPLETED = "swap_completed"
    ROLLBACK_EXECUTED = "rollback_executed"
    HEALTH_CHECK_FAILED = "health_check_failed"
    SYSTEM_ERROR = "system_error"
