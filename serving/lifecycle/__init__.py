"""The medical LoRA system's Python interface over the services of this house."""

from serving.lifecycle.configuration import SystemConfiguration
from serving.lifecycle.enums import (
    AdapterType,
    CacheStrategy,
    EventType,
    MemoryOptimizationLevel,
    SwapStatus,
    SwapStrategy,
)
from serving.lifecycle.loading import AdapterInstance
from serving.lifecycle.manager import LifecycleManager, create_lifecycle_manager
from serving.lifecycle.metadata import AdapterMetadata, AdapterVersion, create_adapter_metadata
from serving.lifecycle.registry import RegisteredAdapter, RegisteredVersion
from serving.lifecycle.validator import ValidationResult

__all__ = [
    "AdapterInstance",
    "AdapterMetadata",
    "AdapterType",
    "AdapterVersion",
    "CacheStrategy",
    "EventType",
    "LifecycleManager",
    "MemoryOptimizationLevel",
    "RegisteredAdapter",
    "RegisteredVersion",
    "SwapStatus",
    "SwapStrategy",
    "SystemConfiguration",
    "ValidationResult",
    "create_adapter_metadata",
    "create_lifecycle_manager",
]
