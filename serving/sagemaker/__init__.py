"""The SageMaker container contract for engine servers; what is named here is public and stays."""

import importlib
from typing import TYPE_CHECKING, Any

from serving.sagemaker.adapters import (
    get_adapter_alias_from_request_header,
    get_adapter_name_from_request,
    get_adapter_name_from_request_header,
    get_adapter_name_from_request_path,
)
from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.constants import (
    LoRAHandlerType,
    ResponseMessage,
    SageMakerHandlerName,
    SageMakerLoRAApiHeader,
)
from serving.sagemaker.errors import (
    AdapterNotFound,
    FieldsInvalid,
    HTTPException,
    RequestInvalid,
)
from serving.sagemaker.factory import create_transform_decorator
from serving.sagemaker.handlers import (
    inject_adapter_id,
    register_invocation_handler,
    register_load_adapter_handler,
    register_ping_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.models import (
    AppendOperation,
    BaseLoRATransformRequestOutput,
    RegisterRequest,
)
from serving.sagemaker.paths import set_value
from serving.sagemaker.registry import DEFAULT_REGISTRY, Registry
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response
from serving.sagemaker.routes import RouteConfig, get_lora_route_config
from serving.sagemaker.shapes import validate_shape
from serving.sagemaker.transforms import (
    AdapterHeaderToBodyApiTransform,
    RegisterLoRAApiTransform,
    UnregisterLoRAApiTransform,
    get_transform_cls_from_handler_type,
)

if TYPE_CHECKING:
    from serving.sagemaker.django_urls import (
        Router,
        bootstrap,
        create_router,
        create_sagemaker_router,
        mount_handlers,
    )
    from serving.sagemaker.django_views import sagemaker_view

# Found when they are asked for: a server without Django uses the rest.
_DJANGO = {
    "Router": "django_urls",
    "bootstrap": "django_urls",
    "create_router": "django_urls",
    "create_sagemaker_router": "django_urls",
    "mount_handlers": "django_urls",
    "sagemaker_view": "django_views",
}

__all__ = [
    "DEFAULT_REGISTRY",
    "AdapterHeaderToBodyApiTransform",
    "AdapterNotFound",
    "AppendOperation",
    "BaseLoRAApiTransform",
    "BaseLoRATransformRequestOutput",
    "FieldsInvalid",
    "HTTPException",
    "LoRAHandlerType",
    "RegisterLoRAApiTransform",
    "RegisterRequest",
    "Registry",
    "Request",
    "RequestInvalid",
    "Response",
    "ResponseMessage",
    "RouteConfig",
    "Router",
    "SageMakerHandlerName",
    "SageMakerLoRAApiHeader",
    "UnregisterLoRAApiTransform",
    "bootstrap",
    "create_router",
    "create_sagemaker_router",
    "create_transform_decorator",
    "get_adapter_alias_from_request_header",
    "get_adapter_name_from_request",
    "get_adapter_name_from_request_header",
    "get_adapter_name_from_request_path",
    "get_lora_route_config",
    "get_transform_cls_from_handler_type",
    "inject_adapter_id",
    "mount_handlers",
    "register_invocation_handler",
    "register_load_adapter_handler",
    "register_ping_handler",
    "register_unload_adapter_handler",
    "sagemaker_view",
    "set_value",
    "validate_shape",
]


def __getattr__(name: str) -> Any:
    if name not in _DJANGO:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_DJANGO[name]}"), name)
