"""A client of the API that carries an API token."""

import pytest
from rest_framework.test import APIClient

from config.accounts.models import User
from config.accounts.roles import Role
from tests.factories import accounts


@pytest.fixture
def engineer(db: None) -> User:
    return accounts.engineer()


@pytest.fixture
def client(engineer: User) -> APIClient:
    return accounts.client_of(engineer)


@pytest.fixture
def reader(db: None) -> APIClient:
    return accounts.client_of(accounts.user(Role.REVIEWER))
