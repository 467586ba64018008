"""API tokens through HTTP and the command line."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from config.accounts.models import ApiToken, User
from config.accounts.roles import Act, Role
from config.accounts.services import roles
from config.core import clock
from config.core.actors import SYSTEM
from tests.factories import accounts

pytestmark = pytest.mark.django_db


def _session(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def _bearer(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def _issue(user: str, *arguments: str) -> str:
    out = StringIO()
    call_command("issue_token", user, *arguments, stdout=out)
    return out.getvalue()


def test_the_text_is_shown_once_and_only_its_digest_is_kept() -> None:
    session = _session(accounts.engineer())
    answer = session.post("/api/v1/tokens", {"name": "ci", "scopes": ["registry:read"], "days": 7})
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    text = answer.json()["token"]
    assert text.startswith("fml_")
    assert "token" not in session.get("/api/v1/tokens").json()["results"][0]
    stored = ApiToken.objects.values().get()
    assert text not in str(stored)
    assert _bearer(text).get("/api/v1/adapters").status_code == 200
    assert _bearer(text).post("/api/v1/adapters", {}).status_code == 403
    assert _bearer(text).get("/api/v1/tokens").status_code == 403


def test_revoked_expired_and_orphaned_tokens_are_refused() -> None:
    user = accounts.engineer()
    session = _session(user)
    made = session.post("/api/v1/tokens", {"name": "ci", "scopes": ["registry:read"], "days": 7})
    client = _bearer(made.json()["token"])
    with clock.frozen_at(clock.now() + timedelta(days=7, seconds=1)):
        assert client.get("/api/v1/adapters").status_code == 401
    user.is_active = False
    user.save()
    assert client.get("/api/v1/adapters").status_code == 401
    user.is_active = True
    user.save()
    assert client.get("/api/v1/adapters").status_code == 200
    uuid = made.json()["uuid"]
    stranger = _session(accounts.engineer())
    assert stranger.delete(f"/api/v1/tokens/{uuid}").status_code == 404
    assert session.delete(f"/api/v1/tokens/{uuid}").status_code == 204
    assert client.get("/api/v1/adapters").status_code == 401
    assert session.get(f"/api/v1/tokens/{uuid}").json()["revoked_at"]


def test_a_role_that_ended_ends_what_its_tokens_may_do_M99() -> None:
    user = accounts.engineer()
    client = _bearer(accounts.token_text(user))
    assert client.get("/api/v1/adapters").status_code == 200
    roles.end(user=user, role=Role.ML_ENGINEER, actor=SYSTEM)
    assert client.get("/api/v1/adapters").status_code == 403


@pytest.mark.parametrize(
    ("scope", "word"),
    [("nonsense", "no scope"), ("sign:approved", "signature"), ("stops:write", ""),
     ("accounts:write", "no role")],
)  # fmt: skip
def test_scopes_are_known_no_signature_and_within_the_roles(scope: str, word: str) -> None:
    session = _session(accounts.engineer())
    answer = session.post("/api/v1/tokens", {"name": "x", "scopes": [scope]})
    assert answer.status_code == (422 if word else 201)
    if word:
        assert answer.json()["code"] == "scope-refused"
        assert word in answer.json()["detail"]


def test_the_command_prints_the_token_and_nothing_else() -> None:
    accounts.user(Role.ML_ENGINEER, username="ana")
    text = _issue("ana", "--scope", "registry:read", "--scope", "inference", "--days", "3")
    assert text.endswith("\n")
    assert text.startswith("fml_")
    assert text.count("\n") == 1
    token = ApiToken.objects.get()
    assert token.scopes == ["registry:read", "inference"]
    assert _bearer(text.strip()).get("/api/v1/adapters").status_code == 200
    _issue("ana")
    by_default = set(ApiToken.objects.order_by("-pk")[0].scopes)
    assert {"versions:write", "inference", "deployments:write"} <= by_default
    assert not {"accounts:write", "tokens:write", "sign:approved"} & by_default


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "no account 'nobody'"),
        (["ana", "--scope", "everything"], "no scope 'everything'"),
        (["ana", "--days", "400"], "400 days"),
        (["program"], "no scope at all"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], words: str) -> None:
    accounts.user(Role.ML_ENGINEER, username="ana")
    accounts.user(username="program")
    with pytest.raises(CommandError, match=words):
        _issue(*arguments)


def test_a_malformed_bearer_is_a_problem_document() -> None:
    answer = _bearer("fml_nonsense").get("/api/v1/adapters")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_acts_of_programs_are_few() -> None:
    agent = accounts.user(Role.NODE_AGENT)
    assert set(accounts_scopes(agent)) == {Act.FETCH_BLOBS, Act.REPORT_REPLICAS}
    assert set(accounts_scopes(accounts.user(Role.APPLICATION))) == {Act.INFER, Act.FEEDBACK}


def accounts_scopes(user: User) -> list[Act]:
    from config.accounts.services.tokens import default_scopes

    return default_scopes(user)
