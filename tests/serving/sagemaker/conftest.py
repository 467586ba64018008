"""Engine servers on the toolkit, called through Django's test client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest
from django.test import Client, override_settings

from serving.sagemaker import Registry, bootstrap

Serve = Callable[..., Client]
JSON = "application/json"


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
