"""A claim that is worked on shows that it is alive; one that is not does not."""

import threading
from datetime import timedelta

import pytest

from config.accounts.models import IdempotencyKey
from config.accounts.services import idempotency
from config.core import clock
from tests.factories.gateway import until

pytestmark = pytest.mark.django_db(transaction=True)


def _alive_at(claim: object) -> object:
    return IdempotencyKey.objects.values_list("alive_at", flat=True).get(pk=claim.row_id)  # type: ignore[attr-defined]


def test_a_claim_at_work_is_beaten_and_a_dead_one_is_not() -> None:
    held = idempotency.claim(principal="user:1", key="held", request=b"r")
    left = idempotency.claim(principal="user:1", key="left", request=b"r")
    past = clock.now() - timedelta(hours=1)
    IdempotencyKey.objects.update(alive_at=past)
    assert isinstance(held, idempotency.Claim)
    with idempotency.at_work(held):
        until(lambda: _alive_at(held) > past)  # type: ignore[operator]
    assert _alive_at(left) == past
    until(lambda: all(thread.name != "pulse" for thread in threading.enumerate()))
