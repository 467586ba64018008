"""Health is measured anew in every test; nobody's password is worth a slow hash here."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import health


@pytest.fixture(autouse=True)
def measured_anew(settings: Any) -> Iterator[None]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with health.measured_anew():
        yield
