"""Engine servers on the toolkit, called through Django's test client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.test import Client, override_settings

from serving.sagemaker import (
    Registry,
    Request,
    bootstrap,
    register_load_adapter_handler,
    register_unload_adapter_handler,
)

Serve = Callable[..., Client]
JSON = "application/json"
GOOD = {"name": "a", "src": "s3://b/a"}
SHAPE = {
    "name": "body.name",
    "src": "body.src",
    "preload": "body.preload",
    "pin": "body.pin",
    "inplace": "body.load_inplace",
}


class Engine:
    """Keeps what it was called with, and answers as it is told."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []

    def __call__(self, data: SimpleNamespace, request: Request) -> Any:
        self.calls.append(vars(data))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def registry() -> Registry:
    """A registry of the test's own."""
    return Registry()


@pytest.fixture
def serve(registry: Registry) -> Iterator[Serve]:
    """Serves URL patterns, or all handlers of ``registry``, without anything of ours around."""
    with ExitStack() as stack:

        def start(patterns: list[Any] | None = None) -> Client:
            module = ModuleType("engine_server")
            module.urlpatterns = bootstrap(registry=registry) if patterns is None else patterns
            stack.enter_context(override_settings(ROOT_URLCONF=module, MIDDLEWARE=[]))
            return Client(raise_request_exception=False)

        yield start


@pytest.fixture
def engine(registry: Registry) -> Engine:
    made = Engine()
    register_load_adapter_handler(SHAPE, registry=registry)(made)
    register_unload_adapter_handler({"name": "path_params.adapter_name"}, registry=registry)(made)
    return made
