"""Lists refuse what they don't understand in their address; pages leave it out and say so."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import get_resolver

from config.accounts.api.base import ListView
from config.accounts.models import User
from config.accounts.roles import Role
from tests.factories import accounts

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reader() -> User:
    return accounts.user(Role.ML_ENGINEER, Role.OPERATOR, Role.COMPLIANCE_OFFICER)


@pytest.fixture
def bearer(reader: User) -> dict[str, str]:
    return {"authorization": f"Bearer {accounts.token_text(reader)}"}


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ("adapters?state=live", "state", "limit"),
        ("deployments?ordering=-name", "ordering", "cursor"),
        ("checks?versions=a@v1", "versions", "version"),
        ("adapters?limit=abc", "limit", "200"),
        ("adapters?limit=-1", "limit", "200"),
        ("adapters?limit=0", "limit", "200"),
        ("adapters?limit=201", "limit", "200"),
        ("adapters?limit=", "limit", "200"),
        ("adapters?limit=%C2%B2", "limit", "200"),
        ("adapters?limit=1&limit=2", "limit", "once"),
        ("alerts?state=nonsense", "state", "open"),
        ("uploads?sha256=abc", "sha256", "64"),
        ("audit?actions=x", "actions", "action"),
        ("checks/gate?versions=x", "versions", "version"),
        ("rollouts/preview?deployment=x&strategi=canary", "strategi", "strategy"),
    ],
)
def test_what_a_list_does_not_know_is_refused_by_name(
    client: Client, bearer: dict[str, str], query: str, name: str, said: str
) -> None:
    answer = client.get(f"/api/v1/{query}", headers=bearer)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "query-invalid")
    assert name in body["detail"]
    assert said in body["fix"]
    assert body["errors"][0]["pointer"] == f"/{name}"


def test_an_empty_reference_is_no_filter_that_matches_all(
    client: Client, bearer: dict[str, str]
) -> None:
    assert client.get("/api/v1/checks?version=", headers=bearer).status_code == 400


def test_what_a_list_knows_is_taken(client: Client, bearer: dict[str, str]) -> None:
    for query in ("adapters?limit=200", "alerts?state=all&limit=1", f"uploads?sha256={'a' * 64}"):
        assert client.get(f"/api/v1/{query}", headers=bearer).status_code == 200, query


def test_the_managers_list_reads_what_its_clients_have_always_sent(
    client: Client, bearer: dict[str, str]
) -> None:
    assert client.get("/manager/adapters?_=1732220000", headers=bearer).status_code == 200
    answer = client.get("/manager/adapters?limit=x", headers=bearer)
    assert answer.status_code == 400
    assert [row["name"] for row in answer.json()["invalid_params"]] == ["limit"]


def _list_views() -> dict[str, type[ListView]]:
    """Address (with ``{}`` for each variable part) → view, of every list under /api/v1."""
    found: dict[str, type[ListView]] = {}

    def walk(patterns: Any, prefix: str) -> None:
        for entry in patterns:
            here = prefix + str(entry.pattern)
            if hasattr(entry, "url_patterns"):
                walk(entry.url_patterns, here)
            elif issubclass(getattr(entry.callback, "view_class", object), ListView):
                parts = ("{}" if "<" in part else part for part in here.split("/"))
                found["/" + "/".join(parts).rstrip("$")] = entry.callback.view_class

    walk(get_resolver().url_patterns, "")
    return found


def test_lists_take_the_parameters_that_the_reference_names() -> None:
    views = _list_views()
    assert len(views) > 20
    document = yaml.load(
        (ROOT / "docs/reference/openapi.yaml").read_text(), Loader=yaml.CSafeLoader
    )
    told = {
        "/".join("{}" if part.startswith("{") else part for part in path.split("/")): operations
        for path, operations in document["paths"].items()
    }
    for path, view in views.items():
        parameters = told[path]["get"].get("parameters", [])
        named = {row["name"] for row in parameters if row["in"] == "query"}
        assert named == view.query_names, path


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("adapters/?state=nonsense", "It may be: live, approved, blocked."),
        ("adapters/?class=D", "It may be: A, B, C."),
        ("versions/?ordering=name", "no filter “ordering”"),
        ("deployments/?state=nonsense", "“nonsense”"),
        ("rollouts/?state=nonsense", "“nonsense”"),
        ("training/?state=nonsense", "“nonsense”"),
        ("approval-requests/?state=nonsense", "“nonsense”"),
        ("nodes/?before=abc", "“abc”"),
        ("audit/?since=soon", "“soon”"),
        ("audit/?until=9999-12-31", "“9999-12-31”"),
    ],
)
def test_a_page_shows_itself_and_says_what_it_left_out(
    client: Client, reader: User, address: str, said: str
) -> None:
    client.force_login(reader)
    answer = client.get(f"/console/{address}")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert 'id="notices"' in text
    assert said in text


def test_a_page_that_is_asked_rightly_says_nothing(client: Client, reader: User) -> None:
    client.force_login(reader)
    answer = client.get("/console/adapters/?q=x&class=A&state=&domain=&before=5")
    assert 'id="notices"' not in answer.content.decode()
