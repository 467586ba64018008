"""Health is measured anew in every test."""

from collections.abc import Iterator

import pytest

from serving.health import measuring


@pytest.fixture(autouse=True)
def measured_anew() -> Iterator[None]:
    measuring.forget()
    yield
    measuring.forget()
