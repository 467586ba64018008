"""Decorators that put a translation around a handler and register it."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from serving.sagemaker.adapters import get_adapter_alias_from_request_header
from serving.sagemaker.base import BaseLoRAApiTransform
from serving.sagemaker.errors import refusal_of
from serving.sagemaker.models import BaseLoRATransformRequestOutput
from serving.sagemaker.registry import DEFAULT_REGISTRY, Handler, Registry
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response, as_response
from serving.sagemaker.shapes import Shape
from serving.sagemaker.transforms import get_transform_cls_from_handler_type

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
Decorator = Callable[[Handler], Handler]


def create_transform_decorator(
    handler_type: str, *, registry: Registry = DEFAULT_REGISTRY
) -> Callable[..., Decorator]:
    """The decorator factory of an operation: ``(request_shape, response_shape) -> decorator``.

    With both shapes None the handler is registered as it is. Otherwise it is called with
    ``(fields, raw_request)``, or with ``raw_request`` alone where no fields come out.

    Raises:
        ValueError: nobody knows the operation; later, a shape or a handler does not fit.
    """
    transform_cls = get_transform_cls_from_handler_type(handler_type, registry=registry)

    def with_shapes(
        request_shape: Shape | None = None, response_shape: Shape | None = None
    ) -> Decorator:
        if request_shape is None and response_shape is None:
            return functools.partial(_register, registry, handler_type)
        transform = transform_cls(request_shape, response_shape)

        def decorate(handler: Handler) -> Handler:
            _check_arguments(handler, transform)
            return _register(registry, handler_type, _wrapped(handler, transform))

        return decorate

    return with_shapes


def waits(handler: Handler) -> bool:
    """Whether a handler needs an event loop."""
    inner: bool | None = getattr(handler, "handler_waits", None)
    if inner is not None:
        return inner
    call = getattr(handler, "__call__", None)  # noqa: B004 - an object with an async __call__
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


async def respond(handler: Handler, request: Request) -> Response:
    """What a registered handler answers; refusals come back in the contract's shape.

    Raises:
        Exception: whatever is no refusal; the bridge to the framework answers it with 500.
    """
    return await _call(handler, request, alias=get_adapter_alias_from_request_header(request))


def _register(registry: Registry, handler_type: str, handler: Handler) -> Handler:
    registry.add_handler(handler_type, handler)
    return handler


def _wrapped(handler: Handler, transform: BaseLoRAApiTransform) -> Endpoint:
    @functools.wraps(handler)
    async def endpoint(raw_request: Request) -> Response:
        if not isinstance(raw_request, Request):
            raise TypeError(
                f"A handler takes the toolkit's Request, not {type(raw_request).__name__}: "
                "mount it with bootstrap(), or wrap it with sagemaker_view()"
            )
        output = await transform.transform_request(raw_request)
        alias = get_adapter_alias_from_request_header(raw_request)
        response = await _call(handler, *_arguments(output), alias=alias)
        return transform.transform_response(response, output)

    endpoint.handler_waits = waits(handler)  # type: ignore[attr-defined]
    return endpoint


def _arguments(output: BaseLoRATransformRequestOutput) -> tuple[Any, ...]:
    if not output.request:
        return (output.raw_request,)
    return SimpleNamespace(**output.request), output.raw_request


async def _call(handler: Handler, *arguments: Any, alias: str | None) -> Response:
    """Call a handler, async or not; refusals that it raises are answers."""
    try:
        result = handler(*arguments)
        if inspect.isawaitable(result):
            result = await result
    except Exception as error:
        refusal = refusal_of(error, alias=alias)
        if refusal is None:
            raise
        return refusal
    return as_response(result)


def _check_arguments(handler: Handler, transform: BaseLoRAApiTransform) -> None:
    """Refuse a handler that would fail at its first request."""
    passed = transform.data_is_passed
    if passed is None:
        return
    count = 2 if passed else 1
    try:
        inspect.signature(handler).bind(*[None] * count)
    except TypeError:
        what = "(data, raw_request)" if passed else "(raw_request)"
        raise ValueError(
            f"{getattr(handler, '__name__', 'The handler')} must take {what} with these shapes"
        ) from None
