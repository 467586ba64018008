"""TOTP: encrypted at rest, each time step once, locked after wrong codes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection

from config.accounts.errors import SecondFactorLocked
from config.accounts.services import second_factors
from config.core import clock
from config.core.actors import SYSTEM
from tests.factories import accounts

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


def test_the_secret_is_encrypted_in_the_database() -> None:
    user = accounts.engineer()
    secret = accounts.totp_secret(user)
    stored = Authenticator.objects.get(user=user).data["secret"]
    assert secret not in stored
    assert second_factors.is_enrolled(user)
    assert not second_factors.is_enrolled(accounts.engineer())


def test_codes_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's 12345678901234567890
    for seconds, last_six in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        with clock.frozen_at(datetime.fromtimestamp(seconds, UTC)):
            assert second_factors.totp_code(secret) == last_six


def test_each_time_step_counts_once_and_older_ones_are_spent() -> None:
    user = accounts.engineer()
    secret = accounts.totp_secret(user)
    with clock.frozen_at(NOON):
        older, now, next_one = (second_factors.totp_code(secret, step=step) for step in (-1, 0, 1))
        assert second_factors.verify(user=user, code=f"{now[:3]} {now[3:]}")
        assert not second_factors.verify(user=user, code=now)
        assert not second_factors.verify(user=user, code=older)
        assert second_factors.verify(user=user, code=next_one)
    with clock.frozen_at(NOON + timedelta(minutes=5)):
        assert not second_factors.verify(user=user, code=next_one)


def test_a_new_secret_replaces_the_old_one() -> None:
    user = accounts.engineer()
    old, new = accounts.totp_secret(user), accounts.totp_secret(user)
    with clock.frozen_at(NOON):
        assert not second_factors.verify(user=user, code=second_factors.totp_code(old))
        assert second_factors.verify(user=user, code=second_factors.totp_code(new))


def test_wrong_codes_lock_and_no_factor_never_passes() -> None:
    user = accounts.engineer()
    assert not second_factors.verify(user=user, code="")
    secret = second_factors.enrol_totp(user=user, actor=SYSTEM)
    for _ in range(4):
        assert not second_factors.verify(user=user, code="000 000x")
    with pytest.raises(SecondFactorLocked) as locked:
        second_factors.verify(user=user, code=second_factors.totp_code(secret))
    assert locked.value.status == 429
    assert locked.value.retry_after_seconds


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_one_code_at_one_moment_one_passes() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("updates rows as PostgreSQL does")
    user = accounts.engineer()
    code = second_factors.totp_code(accounts.totp_secret(user))
    start = threading.Barrier(4, timeout=60)
    results: list[bool] = []

    def work() -> None:
        try:
            start.wait(timeout=30)
            results.append(second_factors.verify(user=user, code=code))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(results) == [False, False, False, True]
