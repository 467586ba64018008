"""Decorators that put a translation around a handler and register it."""

import functools
import inspect
from collections.abc import Callable
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

Decorator = Callable[[Handler], Handler]


class Endpoint:
    """A handler with its translation around it; takes the toolkit's request."""

    def __init__(self, handler: Handler, transform: BaseLoRAApiTransform) -> None:
        functools.update_wrapper(self, handler)
        self.handler = handler
        self.transform = transform

    async def __call__(self, raw_request: Request) -> Response:
        """Translate, call, translate back.

        Raises:
            HTTPException: the request is refused.
        """
        if not isinstance(raw_request, Request):
            raise TypeError(
                f"A handler takes the toolkit's Request, not {type(raw_request).__name__}: "
                "mount it with bootstrap(), or wrap it with sagemaker_view()"
            )
        output = await self.transform.transform_request(raw_request)
        alias = get_adapter_alias_from_request_header(raw_request)
        response = await _call(self.handler, *_arguments(output), alias=alias)
        return self.transform.transform_response(response, output)


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
            return _register(registry, handler_type, Endpoint(handler, transform))

        return decorate

    return with_shapes


def waits(handler: Handler) -> bool:
    """Whether a handler needs an event loop."""
    if isinstance(handler, Endpoint):
        return waits(handler.handler)
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
