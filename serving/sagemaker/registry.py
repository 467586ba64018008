"""Which handler does what: one per name, and the operations that were added."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from serving.sagemaker.routes import CONTAINER_ROUTES, RouteConfig, get_lora_route_config

if TYPE_CHECKING:
    from serving.sagemaker.base import BaseLoRAApiTransform

Handler = Callable[..., Any]


class Registry:
    """Handlers by name, with the translations and routes of operations that were added.

    A process has one (``DEFAULT_REGISTRY``) that the decorators use unless they are given another.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._transforms: dict[str, type[BaseLoRAApiTransform]] = {}
        self._routes: dict[str, RouteConfig] = {}

    def add_handler(self, name: str, handler: Handler) -> None:
        """Put ``handler`` in its place; the one that stood there before is gone."""
        self._handlers[str(name)] = handler

    def handler(self, name: str) -> Handler | None:
        """The handler of ``name``."""
        return self._handlers.get(name)

    def names(self) -> list[str]:
        """The names that have a handler, in the order in which they came."""
        return list(self._handlers)

    def add_transform(
        self,
        handler_type: str,
        transform: "type[BaseLoRAApiTransform]",
        *,
        route: RouteConfig | None = None,
    ) -> None:
        """Make an operation known; with ``route`` its handler is mounted like the others."""
        self._transforms[str(handler_type)] = transform
        if route is not None:
            self._routes[str(handler_type)] = route

    def transform(self, handler_type: str) -> "type[BaseLoRAApiTransform] | None":
        """The translation of an operation that was added."""
        return self._transforms.get(handler_type)

    def route(self, name: str) -> RouteConfig | None:
        """Where a handler is mounted: an added route, else the contract's."""
        added = self._routes.get(name)
        return added or get_lora_route_config(name) or CONTAINER_ROUTES.get(name)

    @contextmanager
    def emptied(self) -> Iterator[None]:
        """Empty inside the block, as it was after it: for tests of code that uses the default."""
        kept = self._handlers, self._transforms, self._routes
        self._handlers, self._transforms, self._routes = {}, {}, {}
        try:
            yield
        finally:
            self._handlers, self._transforms, self._routes = kept


DEFAULT_REGISTRY = Registry()
