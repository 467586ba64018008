"""Mounting: registered handlers as Django's URL patterns."""

import logging
import re
from collections.abc import Callable, Iterable

from django.urls import URLPattern, URLResolver, path
from django.urls.resolvers import RoutePattern

from serving.sagemaker.django_views import View, dispatching_view
from serving.sagemaker.registry import DEFAULT_REGISTRY, Handler, Registry
from serving.sagemaker.routes import RouteConfig

log = logging.getLogger(__name__)
RouteResolver = Callable[[str], RouteConfig | None]
Pattern = URLPattern | URLResolver
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")


class Router:
    """Routes that ``django.urls.include`` takes."""

    def __init__(self, *, prefix: str = "", registry: Registry = DEFAULT_REGISTRY) -> None:
        self.prefix = prefix.strip("/")
        self.registry = registry
        self._routes: dict[str, dict[str, Handler]] = {}

    def add(self, route: RouteConfig, handler: Handler) -> None:
        """Let ``handler`` answer the route's method on its path; one that did so is replaced."""
        place = _PARAMETER.sub(
            lambda found: f"<{found[2] or 'str'}:{found[1]}>", route.path.strip("/")
        )
        place = "/".join(part for part in (self.prefix, place) if part)
        self._routes.setdefault(place, {})[route.method.upper()] = handler

    @property
    def urlpatterns(self) -> list[Pattern]:
        """One pattern a path, each a view of all its methods."""
        return [path(place, dispatching_view(found)) for place, found in self._routes.items()]

    def override(self, patterns: list[Pattern]) -> None:
        """Put the routes into ``patterns``, before all others.

        A pattern of the same path goes; its view keeps the methods that no handler takes.
        """
        mounted: list[Pattern] = []
        for place, handlers in self._routes.items():
            other: View | None = None
            for pattern in [item for item in patterns if _place(item) == place]:
                other = other or getattr(pattern, "callback", None)
                patterns.remove(pattern)
            mounted.append(path(place, dispatching_view(handlers, other=other)))
        patterns[:0] = mounted


def _place(pattern: Pattern) -> str | None:
    """The path of a plain view; None for included patterns and regular expressions."""
    if isinstance(pattern, URLPattern) and isinstance(pattern.pattern, RoutePattern):
        return str(pattern.pattern)
    return None


def mount_handlers(
    router: Router,
    handler_names: Iterable[str] | None = None,
    route_resolver: RouteResolver | None = None,
) -> None:
    """Put the registered handlers, or those that are named, where ``route_resolver`` says.

    A handler without a route and a name without a handler are passed over.
    """
    if route_resolver is None:
        log.warning("No handler is mounted: mount_handlers() needs a route_resolver")
        return
    wanted = router.registry.names() if handler_names is None else list(handler_names)
    for name in wanted:
        handler = router.registry.handler(name)
        if handler is None:
            log.warning("There is no handler of the name %s to mount", name)
            continue
        try:
            route = route_resolver(name)
        except ValueError as error:
            log.warning("%s is not mounted: %s", name, error)
            continue
        if route is not None:
            router.add(route, handler)


def create_router(
    prefix: str = "",
    route_resolver: RouteResolver | None = None,
    *,
    handler_names: Iterable[str] | None = None,
    registry: Registry = DEFAULT_REGISTRY,
) -> Router:
    """A router with the registered handlers where ``route_resolver`` says."""
    router = Router(prefix=prefix, registry=registry)
    mount_handlers(router, handler_names, route_resolver)
    return router


def create_sagemaker_router(prefix: str = "", *, registry: Registry = DEFAULT_REGISTRY) -> Router:
    """A router with every handler that is registered now, at the contract's paths."""
    return create_router(prefix, registry.route, registry=registry)


def bootstrap(
    urlpatterns: list[Pattern] | None = None,
    *,
    prefix: str = "",
    registry: Registry = DEFAULT_REGISTRY,
) -> list[Pattern]:
    """The URL patterns of every handler that is registered now.

    Given the application's ``urlpatterns``, they are put into these, before all others, and the
    same list is returned. Handlers that are registered later are not mounted.
    """
    router = create_sagemaker_router(prefix, registry=registry)
    if urlpatterns is None:
        return router.urlpatterns
    router.override(urlpatterns)
    return urlpatterns
