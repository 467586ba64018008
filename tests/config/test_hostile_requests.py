"""Bodies, cursors and addresses that no honest client sends end as refusals, never as a 500."""

import pytest
from django.test import Client

from config.accounts.roles import Role
from tests.factories import accounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def bearer() -> dict[str, str]:
    text = accounts.token_text(accounts.user(Role.ML_ENGINEER, Role.OPERATOR))
    return {"authorization": f"Bearer {text}"}


@pytest.mark.parametrize("path", ["adapters", "approval-requests", "stops", "deployments"])
@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"a":' * 3000, '{"name": "a\\u0000b"}', '{"safety_class": "\\ud800x"}'],
    ids=["brackets", "objects", "nul", "surrogate"],
)
def test_a_hostile_body_is_refused(
    client: Client, bearer: dict[str, str], path: str, body: str
) -> None:
    answer = client.post(f"/api/v1/{path}", body, content_type="application/json", headers=bearer)
    assert answer.status_code == 400
    assert answer.json()["code"] == "parse-error"


@pytest.mark.parametrize("path", ["adapters", "deployments", "stops", "nodes"])
@pytest.mark.parametrize(
    "cursor", ["cD1hYmM=", "cD0xZTQwMA==", "cD0lMDA=", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk="]
)
def test_a_cursor_that_we_did_not_give_is_refused(
    client: Client, bearer: dict[str, str], path: str, cursor: str
) -> None:
    answer = client.get(f"/api/v1/{path}?cursor={cursor}", headers=bearer)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/deployments/%00",
        "/api/v1/evaluation-sets/%00",
        "/console/adapters/?q=%00",
    ],
)
def test_nul_in_an_address_is_refused(client: Client, bearer: dict[str, str], path: str) -> None:
    assert client.get(path, headers=bearer).status_code == 400


def test_a_name_that_only_looks_like_a_uuid_is_not_found(
    client: Client, bearer: dict[str, str]
) -> None:
    name = "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"
    assert client.get(f"/api/v1/deployments/{name}", headers=bearer).status_code == 404


def test_an_endless_problem_code_is_not_found(client: Client) -> None:
    assert client.get("/docs/problems/" + "a" * 400).status_code == 404
