"""JSON that two readers would understand differently is refused at every door, by name."""

import json
from typing import Any

import pytest
from django.test import Client

from config.accounts.models import User
from config.accounts.roles import Role
from config.core import strict_json
from config.core.fields import JsonField
from serving.domain.openai_api import RequestRefused, parse_body
from tests.factories import accounts

TWICE = '{"name": "a", "src": "x", "file_path": "/y", "deep": [{"dose": 1, "dose": 2}]}'


@pytest.fixture
def user(db: None) -> User:
    return accounts.user(Role.ML_ENGINEER, Role.OPERATOR)


def _post(client: Client, user: User, path: str, body: str | bytes) -> Any:
    bearer = {"authorization": f"Bearer {accounts.token_text(user)}"}
    return client.post(path, body, content_type="application/json", headers=bearer)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/adapters",
        "/manager/adapters",
        "/sagemaker/adapters",
        "/adapters",
        "/compose",
        "/avatar/adapters/USER/one/train",
        "/api/models/ns/repo/paths-info/main",
    ],
)
def test_a_member_that_stands_twice_is_named(client: Client, user: User, path: str) -> None:
    answer = _post(client, user, path.replace("USER", user.username), TWICE)
    assert answer.status_code == 400, answer.content
    assert "dose" in answer.json()["detail"]
    assert "twice" in answer.json()["detail"]


def test_the_shapes_are_those_of_the_contracts(client: Client, user: User) -> None:
    assert set(_post(client, user, "/sagemaker/adapters", TWICE).json()) == {"detail"}
    assert _post(client, user, "/manager/adapters", TWICE).json()["invalid_params"] == []
    assert _post(client, user, "/api/v1/adapters", TWICE).json()["code"] == "parse-error"


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": "\xff"}']
)
def test_what_is_no_json_is_refused(client: Client, user: User, text: str) -> None:
    raw = text.encode("latin-1")
    for path in ("/api/v1/adapters", "/manager/adapters"):
        answer = _post(client, user, path, raw)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (400, "parse-error"), path


def test_a_body_that_memory_should_not_hold_is_413(
    client: Client, user: User, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = _post(client, user, "/api/v1/adapters", json.dumps({"name": "x" * 2000}))
    assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")


def test_the_gateway_names_it_too() -> None:
    with pytest.raises(RequestRefused, match='"model" stands twice'):
        parse_body(b'{"model": "a", "model": "b"}')


def test_depth_is_bounded_where_nobody_else_bounds_it() -> None:
    assert strict_json.parse("[" * 64 + "]" * 64)
    for levels in (66, 100_000):
        with pytest.raises(ValueError, match="nested"):
            strict_json.parse("[" * levels + "]" * levels)


def test_a_form_field_of_json_names_it() -> None:
    field = JsonField(binary=True)
    with pytest.raises(Exception, match="stands twice"):
        field.run_validation(_form_text('{"purpose": 1, "purpose": 2}'))


def _form_text(text: str) -> Any:
    class FormText(str):
        is_json_string = True

    return FormText(text)


def test_a_long_or_odd_name_is_shown_safely() -> None:
    for name in ("x" * 10_000, "\ud800"):
        with pytest.raises(strict_json.NameTwice) as caught:
            strict_json.loads(f"{{{json.dumps(name)}: 1, {json.dumps(name)}: 2}}")
        assert len(str(caught.value)) < 200
        str(caught.value).encode()
