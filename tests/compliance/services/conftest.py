"""A home of its own for what these tests write outside the database; one standing request."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from compliance.models import ApprovalRequest
from tests.factories import compliance


@pytest.fixture
def checkpoint_folder(settings: object, tmp_path: Path) -> Path:
    settings.CHECKPOINT_FOLDER = tmp_path / "checkpoints"  # type: ignore[attr-defined]
    return tmp_path / "checkpoints"


@pytest.fixture(autouse=True)
def _quick_hashes(settings: object) -> None:
    """Many accounts are opened here; how slowly passwords are hashed is not what is tested."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def home(settings: object, tmp_path: Path) -> Path:
    settings.FORMULARY_HOME = tmp_path / "home"  # type: ignore[attr-defined]
    return tmp_path / "home"


@pytest.fixture(scope="module")
def standing_request(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """A request that waits for its signatures; each test's acts on it are undone behind it."""
    around = transaction.atomic()
    # As a test's own transaction: what the product does in its outermost one happens inside.
    around._from_testcase = True  # type: ignore[attr-defined]
    with django_db_blocker.unblock(), around:
        yield compliance.requested().pk
        transaction.set_rollback(True)


@pytest.fixture
def request_(standing_request: int) -> ApprovalRequest:
    return ApprovalRequest.objects.get(pk=standing_request)
