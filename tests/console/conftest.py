"""A filled house, and clients that are signed in as its people."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from config.accounts.models import User
from config.core import clock
from tests.factories import console


@pytest.fixture
def world() -> console.World:
    return console.world()


@pytest.fixture
def held_clock() -> Iterator[None]:
    """No time passes: nobody falls silent while a test compares a page with itself."""
    with clock.frozen_at(clock.now()):
        yield


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """A browser with a session of this account."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="config.accounts.backends.RoleBackend")
        return client

    return sign_in
