"""Headers in which a program may send its token: all equal, never two different ones."""

import pytest
from django.test import Client

from config.accounts.authentication import given_tokens
from config.accounts.models import ApiToken
from config.accounts.roles import Role
from tests.factories import accounts

pytestmark = pytest.mark.django_db
PATH = "/api/v1/adapters"
BACKEND = "config.accounts.backends.RoleBackend"


@pytest.fixture
def token() -> str:
    return accounts.token_text(accounts.user(Role.ML_ENGINEER))


def test_x_api_key_is_as_good_as_a_bearer_token(client: Client, token: str) -> None:
    by_key = client.get(PATH, headers={"x-api-key": token})
    by_bearer = client.get(PATH, headers={"authorization": f"Bearer {token}"})
    assert by_key.status_code == by_bearer.status_code == 200
    both = {"x-api-key": token, "authorization": f"bearer {token}"}
    assert client.get(PATH, headers=both).status_code == 200
    assert ApiToken.objects.get().last_used_at is not None


def test_a_key_needs_no_csrf_token_even_beside_a_session(client: Client, token: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(accounts.user(Role.ML_ENGINEER), backend=BACKEND)
    body = {"slug": "a", "name": "A", "base_model": "nothing"}
    refused = strict.post(PATH, body, content_type="application/json")
    assert refused.status_code == 403
    taken = strict.post(PATH, body, content_type="application/json", headers={"x-api-key": token})
    assert taken.json()["code"] == "base-model-not-found"


@pytest.mark.parametrize("key", ["", "fml_wrong", "Bearer x"])
def test_a_wrong_key_is_refused_and_never_passed_over(client: Client, key: str) -> None:
    client.force_login(accounts.user(Role.ML_ENGINEER), backend=BACKEND)
    answer = client.get(PATH, headers={"x-api-key": key})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_two_different_tokens_are_refused(client: Client, token: str) -> None:
    other = accounts.token_text(accounts.user(Role.ML_ENGINEER))
    answer = client.get(PATH, headers={"x-api-key": token, "authorization": f"Bearer {other}"})
    assert answer.status_code == 401
    assert "two different" in answer.json()["detail"]


def test_x_authorization_counts_on_artifact_paths_alone() -> None:
    for path in ("/artifact/model", "/artifacts/model/a", "/lambda/artifact/model"):
        assert given_tokens({"X-Authorization": "bearer fml_a"}, path) == ["fml_a"], path
        assert given_tokens({"X-Authorization": "fml_a"}, path) == ["fml_a"], path
    for path in (PATH, "/adapters", "/artifactual", ""):
        assert given_tokens({"X-Authorization": "bearer fml_a"}, path) == [], path


def test_the_artifact_contract_takes_x_authorization(client: Client, token: str) -> None:
    for headers in ({"x-authorization": f"Bearer {token}"}, {"x-authorization": token}):
        assert client.get("/artifacts/model/nothing", headers=headers).status_code != 401
    assert client.get("/artifacts/model/nothing").status_code == 401
