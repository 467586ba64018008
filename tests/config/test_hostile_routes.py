"""Every writing route of the API, with hostile values in every field of its body."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.accounts.services import agents
from registry.services import aliases
from serving.services import deployments, nodes
from tests.config.hostile_values import hostile_bodies
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.reference import reference

pytestmark = pytest.mark.django_db

WRITING = ("post", "put", "patch", "delete")
OURS = "/api/v1/"
JSON, MULTIPART = "application/json", "multipart/form-data"
# What a field must hold so that the fields beside it are looked at too.
PLAIN: dict[str, Any] = {"array": [], "object": {}, "integer": 1, "number": 1, "boolean": True}


SCHEMA = reference()
ROUTES = [
    (method, path)
    for path, operations in sorted(SCHEMA["paths"].items())
    for method in operations
    if method in WRITING
]


@pytest.fixture
def everybody(db: None) -> User:
    """An account that may do whatever can be done with a session."""
    return accounts.user(*[role for role in Role if role is not Role.NODE_AGENT])


@pytest.fixture
def clients(everybody: User, settings: Any) -> dict[bool, Client]:
    """A session (False), and the token of a node's agent (True)."""
    # Thousands of requests, and none is about where a session is kept: in its cookie is quickest.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    session = Client(raise_request_exception=False)
    session.force_login(everybody)
    _, text = agents.issue_agent_token(node_name="n1", actor=actor_of(everybody))
    agent = Client(raise_request_exception=False, headers={"authorization": f"Bearer {text}"})
    return {False: session, True: agent}


@pytest.fixture
def places(everybody: User) -> dict[str, str]:
    """What stands for the names in the routes' paths."""
    actor = actor_of(everybody)
    version = make.version()
    adapter = version.adapter
    aliases.move(adapter=adapter, name="champion", to=version, expected=None, actor=actor)
    deployments.create(
        public_name="triage",
        adapter=adapter,
        base_model=adapter.base_model,
        user=everybody,
        actor=actor,
    )
    nodes.register(
        name="n1",
        url="http://127.0.0.1:9",
        secret="a secret of the node n1",
        base_model=adapter.base_model,
        engine="memory",
        actor=actor,
    )
    return {
        "adapters": adapter.ref,
        "versions": str(version.uuid),
        "aliases": "champion",
        "deployments": "triage",
        "nodes": "n1",
    }


def _filled(path: str, places: dict[str, str]) -> str:
    parts = path.split("/")
    for index, part in enumerate(parts):
        if part.startswith("{"):
            parts[index] = places.get(parts[index - 1], "00000000-0000-0000-0000-000000000000")
    return "/".join(parts)


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Content type, and the fields with plain values."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        shape = content["schema"]
        if "$ref" in shape:
            shape = SCHEMA["components"]["schemas"][shape["$ref"].rsplit("/", 1)[1]]
        yield kind, {name: _plain(field) for name, field in shape.get("properties", {}).items()}


def _plain(field: dict[str, Any]) -> Any:
    for choice in field.get("oneOf", field.get("allOf", [])):
        found = SCHEMA["components"]["schemas"].get(choice.get("$ref", "").rsplit("/", 1)[-1], {})
        if "enum" in found:
            return found["enum"][0]
    if field.get("format") == "binary":
        return b'{"text": "a", "expected": "b"}'
    kind = field.get("type", "string")
    return PLAIN.get(kind, "a")


def _is_a_refusal_or_an_answer(answer: Any, where: str) -> None:
    assert answer.status_code < 500, f"{where}: {answer.status_code}"
    if answer.status_code >= 400 and OURS not in where:
        # Each outward contract has a shape of its own.
        assert "json" in answer["Content-Type"], where
        assert isinstance(json.loads(answer.content), dict), where
    elif answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json", where
        body = json.loads(answer.content)
        assert body["status"] == answer.status_code
        assert body["title"], where
        assert body["detail"], where
        json.dumps(body, ensure_ascii=False).encode()


def test_a_hostile_value_in_any_field_is_no_error_of_ours(
    clients: dict[bool, Client], places: dict[str, str]
) -> None:
    sent = 0
    for method, path in ROUTES:
        url = _filled(path, places)
        client = clients[path.startswith("/api/v1/replicas/")]
        for kind, fields in _bodies(SCHEMA["paths"][path][method]):
            for name, body, content_type in hostile_bodies(kind, fields):
                answer = client.generic(method.upper(), url, body, content_type)
                _is_a_refusal_or_an_answer(answer, f"{method} {url} {kind} {name}")
                sent += 1
    assert sent > 15 * len(ROUTES)


def test_odd_forms_and_methods_are_named_by_their_titles(
    clients: dict[bool, Client], places: dict[str, str]
) -> None:
    for method, path in ROUTES:
        if not path.startswith(OURS):
            continue
        url, where = _filled(path, places), f"{method} {path}"
        client = clients[path.startswith("/api/v1/replicas/")]
        known = {name.upper() for name in SCHEMA["paths"][path]}
        other = next(name for name in ("DELETE", "PUT", "PATCH", "POST") if name not in known)
        answer = client.generic(other, url, b"{}", content_type=JSON)
        _is_a_refusal_or_an_answer(answer, where)
        assert (answer.status_code, answer.json()["title"]) == (405, "Method not allowed"), where
        assert method.upper() in answer["Allow"], where
        answer = client.generic(method.upper(), url, b"{}", JSON, headers={"accept": "image/png"})
        _is_a_refusal_or_an_answer(answer, where)
        assert (answer.status_code, answer.json()["title"]) == (406, "Not acceptable"), where
        if not list(_bodies(SCHEMA["paths"][path][method])):
            continue
        answer = client.generic(method.upper(), url, b"a", content_type="text/csv")
        _is_a_refusal_or_an_answer(answer, where)
        if answer.status_code != 404:  # the thing itself is not there
            assert answer.status_code == 415, where
            assert answer.json()["title"] == "Unsupported media type", where
