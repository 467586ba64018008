"""A receiver on this machine, which the policy for outgoing calls is told to allow."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from config.accounts.models import User
from config.accounts.selectors import actor_of
from config.core.actors import Actor
from tests.deliveries.delivery.receiver import Receiver, receiving
from tests.factories import accounts


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    with receiving() as made:
        yield made


@pytest.fixture
def user(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def actor(user: User) -> Actor:
    return actor_of(user)


@pytest.fixture
def client(user: User) -> Client:
    """A client with a token of ``user``."""
    return Client(headers={"Authorization": f"Bearer {accounts.token_text(user)}"})
