"""The three built-in translations, and which one belongs to an operation."""

from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.constants import LoRAHandlerType
from serving.sagemaker.registry import DEFAULT_REGISTRY, Registry
from serving.sagemaker.transforms.adapter_header_to_body import AdapterHeaderToBodyApiTransform
from serving.sagemaker.transforms.register import RegisterLoRAApiTransform
from serving.sagemaker.transforms.unregister import UnregisterLoRAApiTransform

__all__ = [
    "AdapterHeaderToBodyApiTransform",
    "RegisterLoRAApiTransform",
    "UnregisterLoRAApiTransform",
    "get_transform_cls_from_handler_type",
]


def get_transform_cls_from_handler_type(
    handler_type: str, *, registry: Registry = DEFAULT_REGISTRY
) -> type[BaseLoRAApiTransform]:
    """The translation of an operation.

    Raises:
        ValueError: nobody knows the operation.
    """
    match handler_type:
        case LoRAHandlerType.REGISTER_ADAPTER:
            return RegisterLoRAApiTransform
        case LoRAHandlerType.UNREGISTER_ADAPTER:
            return UnregisterLoRAApiTransform
        case LoRAHandlerType.INJECT_ADAPTER_ID:
            return AdapterHeaderToBodyApiTransform
    added = registry.transform(handler_type)
    if added is None:
        raise ValueError(f"Unsupported LoRAHandlerType: {handler_type}")
    return added
