"""The functions that an engine server uses; what is behind them may change."""

import logging
from collections.abc import Mapping
from typing import Any

from serving.sagemaker.constants import (
    LoRAHandlerType,
    SageMakerHandlerName,
    SageMakerLoRAApiHeader,
)
from serving.sagemaker.factory import Decorator, create_transform_decorator
from serving.sagemaker.models import AppendOperation
from serving.sagemaker.registry import DEFAULT_REGISTRY, Handler, Registry
from serving.sagemaker.shapes import Shape, validate_shape

log = logging.getLogger(__name__)
IDENTIFIER = f'headers."{SageMakerLoRAApiHeader.ADAPTER_IDENTIFIER}"'


def register_load_adapter_handler(
    request_shape: Shape | None = None,
    response_shape: Shape | None = None,
    *,
    registry: Registry = DEFAULT_REGISTRY,
) -> Decorator:
    """Register the handler of ``POST /adapters``.

    Raises:
        ValueError: a shape is no mapping, or an expression is faulty.
    """
    _check_shapes(request_shape, response_shape)
    factory = create_transform_decorator(LoRAHandlerType.REGISTER_ADAPTER, registry=registry)
    return factory(request_shape, response_shape)


def register_unload_adapter_handler(
    request_shape: Shape | None = None,
    response_shape: Shape | None = None,
    *,
    registry: Registry = DEFAULT_REGISTRY,
) -> Decorator:
    """Register the handler of ``DELETE /adapters/{adapter_name}``.

    Raises:
        ValueError: a shape is no mapping, or an expression is faulty.
    """
    _check_shapes(request_shape, response_shape)
    factory = create_transform_decorator(LoRAHandlerType.UNREGISTER_ADAPTER, registry=registry)
    return factory(request_shape, response_shape)


def inject_adapter_id(
    adapter_path: Any = None,
    append: bool = False,
    separator: str | None = None,
    *,
    request_shape: Shape | None = None,
    response_shape: Shape | None = None,
    registry: Registry = DEFAULT_REGISTRY,
) -> Decorator:
    """Put the identifier header into the body before the handler sees it.

    ``inject_adapter_id("model")`` writes it to the field ``model`` (dots reach into objects);
    with ``append`` and a ``separator`` it comes behind what stands there. The older spelling
    ``inject_adapter_id({"model": None})`` means the first.

    Raises:
        ValueError: the path is missing or no text, or the arguments contradict each other.
    """
    if request_shape is not None and adapter_path is not None:
        raise ValueError("Give adapter_path or request_shape, not both")
    if isinstance(adapter_path, Mapping) or request_shape is not None:
        adapter_path = _only_key(adapter_path if request_shape is None else request_shape)
    if not adapter_path:
        raise ValueError("adapter_path cannot be empty: name the body's field, like 'model'")
    if not isinstance(adapter_path, str):
        raise ValueError("adapter_path must be a string: name the body's field, like 'model'")
    if append and separator is None:
        raise ValueError("separator must be given with append=True; '' puts nothing between")
    if separator and not append:
        raise ValueError("separator has no meaning without append=True")
    if response_shape is not None:
        validate_shape(response_shape, name="response_shape")
    leaf = AppendOperation(separator or "", IDENTIFIER) if append else IDENTIFIER
    factory = create_transform_decorator(LoRAHandlerType.INJECT_ADAPTER_ID, registry=registry)
    return factory({adapter_path: leaf}, response_shape)


def register_ping_handler(handler: Handler, *, registry: Registry = DEFAULT_REGISTRY) -> Handler:
    """Register the handler of ``GET /ping``; it gets the raw request."""
    registry.add_handler(SageMakerHandlerName.PING, handler)
    return handler


def register_invocation_handler(
    handler: Handler, *, registry: Registry = DEFAULT_REGISTRY
) -> Handler:
    """Register the handler of ``POST /invocations``; it gets the raw request."""
    registry.add_handler(SageMakerHandlerName.INVOKE, handler)
    return handler


def _check_shapes(request_shape: Any, response_shape: Any) -> None:
    if request_shape is not None:
        validate_shape(request_shape, name="request_shape")
    if response_shape is not None:
        validate_shape(response_shape, name="response_shape")


def _only_key(shape: Any) -> Any:
    """The one field of the older spelling; its value always was the identifier header."""
    validate_shape(shape)
    if len(shape) != 1:
        raise ValueError("request_shape must contain exactly one field: the one that is written")
    ((key, value),) = shape.items()
    if value is not None:
        log.warning("request_shape['%s'] is not used: the identifier header is written there", key)
    return key
