"""Nobody reaches another's avatar: every path of the contract × every role × two accounts.

The paths come from the list of paths itself, so that a new one is tried without being named here.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.models import ApiToken, User
from config.accounts.roles import Act, Role, acts_of
from config.accounts.services import tokens
from registry.api import avatar_urls
from registry.models import Avatar, AvatarBackup, TrainingFile
from tests.factories import accounts
from tests.factories import registry as make
from tests.registry.avatars.conftest import NOTE, Caller, trained

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
SECRETS = (b"Jane", b"MRN", b"roe.txt", b"annas-title")
# The paths that name no account act for the caller's own one alone.
OWN = re.compile(r"persistence/")


def _routes() -> dict[str, list[str]]:
    """Path → the methods that it answers to."""
    found = {}
    for pattern in avatar_urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        methods = [method for method in METHODS if hasattr(view, method.lower())]
        if "GET" in methods:
            methods.append("HEAD")
        found[str(pattern.pattern)] = [
            method for method in methods if method.lower() in view.http_method_names
        ]
    return found


def _address(route: str, **values: str) -> str:
    return "/avatar/" + PARAMETER.sub(lambda match: values[match[1]], route)


@pytest.fixture
def annas(db: None) -> Iterator[Caller]:
    """Anna with an avatar that has everything."""
    make.base_model()
    caller = Caller(accounts.engineer(username="anna"))
    assert caller.create(adapter_name="annas-title").status_code == 200
    assert caller.upload({"roe.txt": NOTE}).status_code == 200
    trained(caller)
    assert caller.client.post(caller.kept("backup")).status_code == 200
    yield caller


def _what_anna_has() -> list[Any]:
    return [
        list(Avatar.objects.order_by("pk").values()),
        list(TrainingFile.objects.order_by("pk").values()),
        list(AvatarBackup.objects.order_by("pk").values()),
    ]


def _ask(client: Any, method: str, address: str) -> Any:
    if method in {"GET", "HEAD", "OPTIONS"}:
        return getattr(client, method.lower())(address)
    if address.endswith("/upload"):
        sent = {"file": SimpleUploadedFile("roe.txt", b"overwritten")}
        return getattr(client, method.lower())(address, sent, format="multipart")
    body = {"use_for_training": False, "num_epochs": 1}
    return getattr(client, method.lower())(address, body, format="json")


def _body(answer: Any) -> bytes:
    if answer.streaming:
        return io.BytesIO(b"".join(answer.streaming_content)).getvalue()
    return bytes(answer.content)


def _token_client(user: User) -> Any:
    scopes = tokens.default_scopes(user)
    return Caller(user, *scopes).client if scopes else Client()


@pytest.mark.django_db
def test_no_role_reaches_the_avatar_of_another_account_A30_A56(annas: Caller) -> None:
    before = _what_anna_has()
    file = TrainingFile.objects.get()
    tried = 0
    for role in [*Role, None]:
        other = accounts.user(*([role] if role else []), username=f"mallory-{role}")
        client = _token_client(other)
        for route, methods in _routes().items():
            address = _address(
                route, user_id="anna", avatar_id="nina", file_name="roe.txt", uuid=str(file.uuid)
            )
            # How OPTIONS describes a path depends on no role: one account asks for it.
            for method in methods if role is Role.ML_ENGINEER else set(methods) - {"OPTIONS"}:
                answer = _ask(client, method, address)
                tried += 1
                said = f"{method} {address} by {role}: {answer.status_code}"
                # Without an account in the path, OPTIONS describes the path and nothing else.
                is_described = method == "OPTIONS" and "user_id" not in route
                assert answer.status_code in {401, 403, 404} or is_described, said
                assert not any(secret in _body(answer) for secret in SECRETS), said
                assert "annas-title" not in str(answer.headers), said
    assert tried >= len(avatar_urls.urlpatterns) * (len(Role) + 1)
    assert len(avatar_urls.urlpatterns) >= 20
    assert _what_anna_has() == before


@pytest.mark.django_db
def test_an_account_that_exists_is_answered_as_one_that_does_not(annas: Caller) -> None:
    other = Caller(accounts.engineer(username="mallory"))
    for route in _routes():
        if "user_id" not in route:
            continue
        answers = [
            other.client.get(
                _address(route, user_id=user, avatar_id="nina", file_name="roe.txt", uuid="")
            )
            for user in ("anna", "nobody")
        ]
        bodies = [{**answer.json(), "request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1], route
        assert answers[0].status_code == answers[1].status_code


@pytest.mark.django_db
def test_every_path_asks_who_calls_A56(annas: Caller) -> None:
    file, stranger = TrainingFile.objects.get(), APIClient()
    for route, methods in _routes().items():
        address = _address(
            route, user_id="anna", avatar_id="nina", file_name="roe.txt", uuid=str(file.uuid)
        )
        for method in methods:
            answer = _ask(stranger, method, address)
            wanted = 403 if "content" in route else 401
            assert answer.status_code == wanted, f"{method} {address}: {answer.status_code}"


@pytest.mark.django_db
def test_an_attempt_on_anothers_avatar_is_written_down(annas: Caller) -> None:
    other = Caller(accounts.engineer(username="mallory"))
    assert other.client.get(annas.data("list")).status_code == 404
    event = AuditEvent.objects.filter(action="access.refused").latest("pk")
    assert event.actor_name == "mallory"
    assert "nina" not in event.body


@pytest.mark.django_db
def test_acts_follow_role_and_scope_of_the_owner_himself_A30_A56(annas: Caller) -> None:
    """The same paths with the owner's own tokens: what only reads changes nothing."""
    reading = Caller(annas.user, str(Act.READ))
    before = _what_anna_has()
    reached = set()
    file = TrainingFile.objects.get()
    for route, methods in _routes().items():
        address = _address(
            route, user_id="anna", avatar_id="nina", file_name="roe.txt", uuid=str(file.uuid)
        )
        for method in methods:
            answer = _ask(reading.client, method, address)
            _body(answer)
            if answer.status_code == 200 and method != "OPTIONS":
                reached.add(f"{method} {route.rsplit('/', 1)[-1]}")
    assert _what_anna_has() == before
    assert reached == {"GET <str:avatar_id>", "HEAD <str:avatar_id>", "GET info", "HEAD info"}


@pytest.mark.django_db
def test_a_session_is_as_good_as_a_token_A60(annas: Caller) -> None:
    session = Client()
    session.force_login(annas.user)
    assert session.get(annas.adapter("/info")).json()["user_id"] == "anna"
    other = Client()
    other.force_login(accounts.engineer(username="mallory"))
    assert other.get(annas.adapter("/info")).status_code == 404


@pytest.mark.django_db
def test_persistence_acts_for_the_tokens_own_account(annas: Caller) -> None:
    """The same avatar name is each caller's own avatar: there is no path to another's."""
    assert all("user_id" not in route for route in _routes() if OWN.match(route))
    other = Caller(accounts.engineer(username="mallory"))
    assert other.client.get(other.kept("backups")).status_code == 404
    other.create()
    assert other.client.get(other.kept("backups")).json()["total"] == 1
    assert annas.client.get(annas.kept("backups")).json()["total"] == 2
    foreign = AvatarBackup.objects.filter(avatar__owner=annas.user).first()
    assert foreign is not None
    answer = other.client.post(
        other.kept("restore"), {"backup_id": str(foreign.uuid)}, format="json"
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "avatar-backup-not-found")


@pytest.mark.django_db
def test_a_token_ends_with_its_owners_role(annas: Caller) -> None:
    from config.accounts.services import roles

    token = ApiToken.objects.filter(user=annas.user).first()
    assert token is not None
    assert annas.client.get(annas.data("list")).status_code == 200
    roles.end(user=annas.user, role=Role.ML_ENGINEER, actor=make.SYSTEM)
    assert annas.client.get(annas.data("list")).status_code == 403
    assert Act.SUBMIT not in acts_of(frozenset({Role.REVIEWER}))
