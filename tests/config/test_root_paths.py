"""Who answers at the root: the choice between contracts that share paths, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from config.accounts.roles import Role
from tests.factories import accounts
from tests.factories.health import measured_anew

pytestmark = pytest.mark.django_db
UUID = str(uuid4())
JSON = "application/json"


@pytest.fixture
def bearer() -> dict[str, str]:
    text = accounts.token_text(accounts.user(Role.ML_ENGINEER, Role.OPERATOR))
    return {"authorization": f"Bearer {text}"}


def _post(client: Client, body: Any, headers: dict[str, str], query: str = "") -> Any:
    return client.post(f"/adapters{query}", body, content_type=JSON, headers=headers)


def _who(answer: Any) -> str:
    """Which contract an error is written by: its shape alone tells."""
    body = json.loads(answer.content)
    if "error_code" in body:
        return "artifacts"
    if body.get("code") == "registration-incomplete":
        return "both"
    return "manager" if "type" in body else "sagemaker or avatars"


@pytest.mark.parametrize(
    ("body", "query", "who"),
    [
        ({"name": "a", "src": "nothing@v1"}, "", "sagemaker or avatars"),
        ({"src": "nothing@v1"}, "", "sagemaker or avatars"),
        ("", "?name=a&src=nothing@v1", "sagemaker or avatars"),
        ("no json", "?name=a&src=nothing@v1", "sagemaker or avatars"),
        ({"name": "a", "file_path": "/nowhere/a"}, "", "manager"),
        ({"name": "a", "metadata_uri": "/nowhere/a"}, "", "manager"),
        ({"name": "a"}, "", "both"),
        ({}, "?name=a&src=nothing@v1", "both"),
        ([], "", "both"),
        ("", "", "both"),
        ("no json", "", "both"),
    ],
)
def test_a_post_to_adapters_belongs_to_whose_fields_it_has(
    client: Client, bearer: dict[str, str], body: Any, query: str, who: str
) -> None:
    answer = _post(client, body, bearer, query)
    assert 400 <= answer.status_code < 500
    assert _who(answer) == who


def test_a_body_of_both_contracts_is_ambiguous(client: Client, bearer: dict[str, str]) -> None:
    answer = _post(client, {"name": "a", "src": "s", "file_path": "/f"}, bearer)
    assert answer.status_code == 400
    assert answer.json()["code"] == "registration-ambiguous"
    assert "ambiguous" in answer.json()["detail"]


def test_a_body_of_neither_satisfies_the_readers_of_both(
    client: Client, bearer: dict[str, str]
) -> None:
    answer = _post(client, {"name": "a"}, bearer)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert [fault["loc"] for fault in json.loads(body["detail"])] == [["src"]]
    assert {param["name"] for param in body["invalid_params"]} == {"src", "file_path"}
    faults = json.loads(_post(client, {}, bearer).json()["detail"])
    assert [fault["loc"] for fault in faults] == [["name"], ["src"]]


def test_nobody_is_told_more_than_to_sign_in(client: Client) -> None:
    for body in ({"name": "a"}, {"src": "s", "file_path": "f"}, {"src": "s"}, {"file_path": "f"}):
        assert _post(client, body, {}).status_code == 401


def test_a_uuid_is_the_managers_and_a_name_is_sagemakers(
    client: Client, bearer: dict[str, str]
) -> None:
    by_id = client.delete(f"/adapters/{UUID}", headers=bearer)
    assert (by_id.status_code, _who(by_id)) == (404, "manager")
    assert _who(client.delete(f"/adapters/{UUID.upper()}", headers=bearer)) == "manager"
    by_name = client.delete("/adapters/nobody", headers=bearer)
    assert by_name.status_code == 404
    assert by_name.json() == {"detail": "The adapter nobody was not found"}


def test_an_id_is_the_same_in_capital_letters(client: Client, bearer: dict[str, str]) -> None:
    for path in ("adapters", "deliveries"):
        answers = [client.get(f"/{path}/{each}", headers=bearer) for each in (UUID, UUID.upper())]
        found = [(answer.status_code, answer.json()["code"]) for answer in answers]
        assert found[0] == found[1], path
        assert found[0][1] != "not-found", path


def test_nobody_is_refused_for_the_form_in_which_it_wants_its_answer(
    client: Client, bearer: dict[str, str]
) -> None:
    for path in ("/adapters", "/sagemaker/adapters", "/manager/adapters"):
        plain = {**bearer, "accept": "text/plain"}
        answer = client.post(path, {"name": "a", "src": "s@v1"}, content_type=JSON, headers=plain)
        assert answer.status_code in {400, 404}, path
        assert "json" in answer["Content-Type"], path
    assert client.get("/adapters", headers={**bearer, "accept": "text/html"}).status_code == 200
    own = accounts.token_text(accounts.user(Role.ML_ENGINEER, username="ann"))
    for path in ("/adapters/ann/first", "/adapters/ann/first/info", "/artifacts/model/nothing"):
        answer = client.get(path, headers={"x-api-key": own, "accept": "application/zip"})
        assert answer.status_code in {404, 409}, path  # nobody has any, and there is no base


def test_the_list_is_the_managers(client: Client, bearer: dict[str, str]) -> None:
    listed = client.get("/adapters", headers=bearer)
    assert listed.status_code == 200
    assert {"items", "total", "limit", "offset"} <= listed.json().keys()
    assert client.head("/adapters", headers=bearer).status_code == 200


def test_two_segments_are_the_avatars_but_for_the_switches(
    client: Client, bearer: dict[str, str]
) -> None:
    switch = client.post(f"/adapters/{UUID}/activate", content_type=JSON, headers=bearer)
    assert (switch.status_code, _who(switch)) == (404, "manager")
    named = client.post("/adapters/ann/activate", headers=bearer)
    assert (named.status_code, _who(named)) == (404, "manager")
    for method, path in (
        ("put", f"/adapters/{UUID}/activate"),
        ("put", "/adapters/ann/first"),
    ):
        other = getattr(client, method)(path, headers=bearer)
        assert other.status_code in {404, 405}, path
        assert _who(other) == "sagemaker or avatars", path


def test_what_is_allowed_on_a_shared_path_names_the_methods_of_both(client: Client) -> None:
    # Where an account's name is a uuid, one path is its avatar's and the manager's switch.
    own = accounts.token_text(accounts.user(Role.ML_ENGINEER, username=UUID))
    answer = client.put(f"/adapters/{UUID}/activate", headers={"x-api-key": own})
    assert answer.status_code == 405
    assert {"GET", "DELETE", "POST"} <= {each.strip() for each in answer["Allow"].split(",")}


def test_an_unknown_path_is_answered_in_its_contracts_own_shape(client: Client) -> None:
    for path, who in {
        "/adapters/a/b/c/d/e": "sagemaker or avatars",
        "/adapters/": "sagemaker or avatars",
        "/training-data": "sagemaker or avatars",
        "/persistence/nothing": "sagemaker or avatars",
        "/compose/": "manager",
        "/compose/nothing": "manager",
        "/deliveries/a/b": "manager",
        "/artifact": "artifacts",
        "/artifact/": "artifacts",
        "/artifacts/model/a/b/c": "artifacts",
        "/ping/": "sagemaker or avatars",
        "/sagemaker": "sagemaker or avatars",
        "/sagemaker/adapters/": "sagemaker or avatars",
        "/manager/nothing": "manager",
        "/lambda": "artifacts",
        "/lambda/nothing": "artifacts",
        "/avatar/nothing/at/all/here/x": "sagemaker or avatars",
    }.items():
        for method in (client.get, client.post):
            answer = method(path, headers={"accept": "text/html"})
            # A contract may ask who it is before it says that there is nothing.
            assert answer.status_code in {401, 404}, path
            assert "json" in answer["Content-Type"], path
            assert _who(answer) == who, path


def test_no_contract_path_is_ever_redirected(client: Client, bearer: dict[str, str]) -> None:
    paths = ["/adapters", "/compose", "/deliveries", "/artifact/model", "/invocations", "/ping"]
    for path in [*paths, *(f"{each}/" for each in paths)]:
        for method in ("get", "post", "head", "options"):
            answer = getattr(client, method)(path, headers=bearer)
            assert not 300 <= answer.status_code < 400, (method, path)
            assert answer.status_code < 500, (method, path)


@pytest.fixture
def _patient() -> Iterator[None]:
    """How soon a part must answer is not asked here."""
    with measured_anew():
        yield


@pytest.mark.usefixtures("_patient")
def test_ping_is_empty_and_health_says_ok(client: Client) -> None:
    for path in ("/ping", "/sagemaker/ping"):
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, b"")
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert {"components", "s3_status"} <= health.keys()


@pytest.mark.usefixtures("_patient")
def test_what_monitors_ask_refuses_other_methods_in_json() -> None:
    client = Client(enforce_csrf_checks=True)
    for path in ("/ping", "/sagemaker/ping", "/health", "/manager/health", "/avatar/health"):
        for method in ("POST", "DELETE", "OPTIONS"):
            answer = client.generic(method, path)
            assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD"), (method, path)
            assert answer["Content-Type"] == "application/problem+json", (method, path)
    assert client.get("/manager/health").json()["status"] == "ok"
