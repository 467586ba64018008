"""ASGI entry: the gateway's data plane (``/v1/*``, ``/invocations``) in front of Django."""

import os
from importlib import import_module
from typing import cast

from config.core.starting import undisturbed_imports

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["FORMULARY_PROCESS"] = "web"
with undisturbed_imports():
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from starlette.types import ASGIApp, Receive, Scope, Send

    # Its declared callables are narrower than ASGI's own; both pass the same three things.
    _django = cast(ASGIApp, get_asgi_application())

    # After Django's set-up, because these modules read models.
    from config.accounts.large_bodies import LargeBodies
    from config.contracts import refusal_at
    from config.core.logs import configure
    from serving.gateway.app import build_app
    from serving.gateway.gateway import SCOPE_KEY, Gateway
    from serving.gateway.invocations import PATHS

    # All pages and views: else the first request would wait for them.
    import_module(settings.ROOT_URLCONF)


class Application:
    """Sends what asks for answers to the gateway, all else to Django; the lifespan is both's."""

    def __init__(self, django: ASGIApp, gateway: Gateway) -> None:
        self._django = django
        self._gateway = gateway
        self._data_plane = build_app(gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and _asks_for_answers(scope["path"]):
            await self._data_plane(scope, receive, send)
        else:
            # The console's playground asks through this process's data plane.
            await self._django({**scope, SCOPE_KEY: self._gateway}, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._gateway.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._gateway.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _asks_for_answers(path: str) -> bool:
    return path in PATHS or f"{path}/".startswith("/v1/")


configure()
application = Application(LargeBodies(_django, refusal_at), Gateway())
