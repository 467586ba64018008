"""The bridge to Starlette: handlers as endpoints, for servers that know no Django."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from serving.sagemaker.constants import MODEL_SERVER_ERROR
from serving.sagemaker.factory import respond, waits
from serving.sagemaker.registry import DEFAULT_REGISTRY, Handler, Registry
from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response

log = logging.getLogger(__name__)


async def read_request(request: StarletteRequest) -> Request:
    """Starlette's request as the toolkit's."""
    return Request(
        body=await request.body(),
        headers=request.headers,
        query_params=dict(request.query_params),
        path_params={name: str(value) for name, value in request.path_params.items()},
        native=request,
    )


def to_starlette(response: Response) -> StarletteResponse:
    """The toolkit's answer as Starlette's; an answer of Starlette's own goes out untouched."""
    if isinstance(response.native, StarletteResponse):
        return response.native
    return StarletteResponse(response.body, response.status_code, response.end_to_end_headers)


def sagemaker_endpoint(
    handler: Handler,
) -> Callable[[StarletteRequest], Awaitable[StarletteResponse]]:
    """An async handler as an endpoint.

    Raises:
        ValueError: it is not async and would stand in every other request's way.
    """
    if not waits(handler):
        raise ValueError("A handler that Starlette calls must be async")

    async def endpoint(request: StarletteRequest) -> StarletteResponse:
        try:
            return to_starlette(await respond(handler, await read_request(request)))
        except Exception as error:  # noqa: BLE001 - the contract's outermost frame: its 500 is JSON
            # The text of an error may hold what a patient wrote; its kind does not.
            log.error("%s failed with %s", request.method, type(error).__name__)
            return to_starlette(Response({"detail": MODEL_SERVER_ERROR}, 500))

    return endpoint


def create_routes(registry: Registry = DEFAULT_REGISTRY) -> list[Route]:
    """The routes of every handler that is registered now."""
    found = [(registry.route(name), registry.handler(name)) for name in registry.names()]
    return [
        Route(route.path, sagemaker_endpoint(handler), methods=[route.method])
        for route, handler in found
        if route is not None and handler is not None
    ]
