"""Signing in through HTTP: password page, code page, lockout; what the audit trail hears of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from config.accounts.events import SecondFactorEnrolled, SignedIn, SignInFailed
from config.accounts.models import User
from config.accounts.services import second_factors
from config.core.events import Event, _handlers, subscribe
from tests.factories import accounts

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture
def events() -> Iterator[list[Event]]:
    seen: list[Event] = []
    subscribe(Event, seen.append)
    yield seen
    _handlers[Event].remove(seen.append)


def _password(client: Client, user: User, password: str = accounts.PASSWORD) -> Any:
    return client.post(LOGIN, {"login": user.username, "password": password})


def _is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_password_and_code_sign_in(client: Client, events: list[Event]) -> None:
    user = accounts.engineer()
    secret = accounts.totp_secret(user)
    assert client.get(LOGIN).status_code == 200
    first = _password(client, user)
    assert (first.status_code, first["Location"]) == (302, "/accounts/2fa/authenticate/")
    assert not _is_signed_in(client)
    assert client.get(first["Location"]).status_code == 200
    code = second_factors.totp_code(secret)
    second = client.post(first["Location"], {"code": code})
    assert second.status_code == 302
    assert _is_signed_in(client)
    signed_in = [event for event in events if isinstance(event, SignedIn)]
    assert [event.object_id for event in signed_in] == [str(user.pk)]


def test_a_code_counts_once_at_sign_in_and_at_signing_alike(client: Client) -> None:
    user = accounts.engineer()
    code = second_factors.totp_code(accounts.totp_secret(user))
    assert second_factors.verify(user=user, code=code)
    assert not second_factors.verify(user=user, code=code)
    _password(client, user)
    answer = client.post("/accounts/2fa/authenticate/", {"code": code})
    assert answer.status_code == 200
    assert not _is_signed_in(client)


def test_a_wrong_code_is_refused_and_told_to_the_audit_trail(
    client: Client, events: list[Event]
) -> None:
    user = accounts.engineer()
    accounts.totp_secret(user)
    _password(client, user)
    client.post("/accounts/2fa/authenticate/", {"code": "00000x"})
    assert not _is_signed_in(client)
    failures = [event for event in events if isinstance(event, SignInFailed)]
    assert [event.reason for event in failures] == ["wrong code"]


def test_five_wrong_passwords_lock_the_account_also_for_the_right_one(
    client: Client, events: list[Event]
) -> None:
    user = accounts.engineer()
    for _ in range(5):
        _password(client, user, "a wrong password")
    _password(client, user)
    assert not _is_signed_in(client)
    other = accounts.engineer()
    _password(client, other)
    assert _is_signed_in(client)
    failures = [event for event in events if isinstance(event, SignInFailed)]
    assert {event.reason for event in failures} == {"wrong password"}
    assert len(failures) >= 5


def test_what_was_typed_as_an_unknown_name_is_not_kept(client: Client, events: list[Event]) -> None:
    client.post(LOGIN, {"login": "my-secret-password", "password": "x"})
    failures = [event for event in events if isinstance(event, SignInFailed)]
    assert len(failures) == 1
    assert "my-secret-password" not in repr(failures)


def test_nobody_signs_up_by_himself(client: Client) -> None:
    client.post(
        "/accounts/signup/",
        {"username": "me", "password1": accounts.PASSWORD, "password2": accounts.PASSWORD},
    )
    assert not User.objects.filter(username="me").exists()


def test_a_session_reads_the_api_and_writes_only_with_a_csrf_token() -> None:
    user = accounts.engineer()
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get("/api/v1/adapters").status_code == 200
    answer = client.post("/api/v1/adapters", {}, content_type="application/json")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"


def test_a_person_sets_up_an_authenticator_app_and_its_first_code_is_spent(
    client: Client, events: list[Event], django_capture_on_commit_callbacks: Any
) -> None:
    user = accounts.engineer()
    _password(client, user)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    again = client.post(asked["Location"], {"password": accounts.PASSWORD})
    assert again["Location"] == "/accounts/2fa/totp/activate/"
    assert client.get(again["Location"]).status_code == 200
    secret = client.session["mfa.totp.secret"]
    code = second_factors.totp_code(secret)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post("/accounts/2fa/totp/activate/", {"code": code})
    assert answer.status_code == 302
    assert second_factors.is_enrolled(user)
    assert secret not in str(Authenticator.objects.filter(user=user).values())
    assert any(isinstance(event, SecondFactorEnrolled) for event in events)
    assert not second_factors.verify(user=user, code=code)
