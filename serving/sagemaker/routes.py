"""The contract's routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from serving.sagemaker.constants import LoRAHandlerType, SageMakerHandlerName


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """Where a handler stands: ``path`` with ``{parameters}``, one ``method``."""

    path: str
    method: str
    tags: list[str] | None = None
    summary: str | None = None


LORA_ROUTE_REGISTRY: Mapping[str, RouteConfig] = MappingProxyType(
    {
        LoRAHandlerType.REGISTER_ADAPTER: RouteConfig(
            "/adapters", "POST", ["adapters", "lora"], "Register a new LoRA adapter"
        ),
        LoRAHandlerType.UNREGISTER_ADAPTER: RouteConfig(
            "/adapters/{adapter_name}",
            "DELETE",
            ["adapters", "lora"],
            "Unregister a LoRA adapter",
        ),
    }
)
CONTAINER_ROUTES: Mapping[str, RouteConfig] = MappingProxyType(
    {
        SageMakerHandlerName.PING: RouteConfig(
            "/ping", "GET", ["health", "sagemaker"], "Health check endpoint"
        ),
        SageMakerHandlerName.INVOKE: RouteConfig(
            "/invocations", "POST", ["inference", "sagemaker"], "Model inference endpoint"
        ),
    }
)


def get_lora_route_config(handler_type: str) -> RouteConfig | None:
    """The route of a LoRA operation; None where it has none."""
    return LORA_ROUTE_REGISTRY.get(handler_type)
