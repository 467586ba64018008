"""Bodies, cursors and addresses that no honest client sends end as refusals, never as a 500."""

import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from config.accounts.roles import Role
from tests.factories import accounts
from tests.factories import registry as make

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


@pytest.mark.parametrize("path", ["adapters", "nodes"])
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "eA==",
        "rubbish",
        "cD1hYmM=",
        "cD0xZTQwMA==",
        "cD0lMDA=",
        "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk=",
    ],
)
def test_a_cursor_that_we_did_not_give_is_refused(
    client: Client, bearer: dict[str, str], path: str, cursor: str
) -> None:
    answer = client.get(f"/api/v1/{path}?cursor={cursor}", headers=bearer)
    assert answer.status_code == 400
    assert answer.json()["code"] == "query-invalid"


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


@pytest.mark.parametrize(
    ("path", "kind", "names"),
    [
        ("/api/v1/deployments", "application/problem+json", "code"),
        ("/adapters", "application/problem+json", "invalid_params"),
        ("/sagemaker/adapters", "application/json", "detail"),
        ("/artifacts", "application/json", "error_code"),
        ("/training-data/a/b", "application/json", "code"),
        ("/api/models/a/b", "application/problem+json", "error"),
    ],
)
def test_nul_is_refused_in_the_shape_of_the_contract_that_is_there(
    client: Client, bearer: dict[str, str], path: str, kind: str, names: str
) -> None:
    answer = client.get(f"{path}?q=%00", headers=bearer)
    assert (answer.status_code, answer["Content-Type"]) == (400, kind)
    assert "U+0000" in answer.content.decode() and names in answer.json()
    assert answer["X-Request-Id"]


def test_a_name_that_only_looks_like_a_uuid_is_not_found(
    client: Client, bearer: dict[str, str]
) -> None:
    name = "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"
    assert client.get(f"/api/v1/deployments/{name}", headers=bearer).status_code == 404


def test_an_endless_problem_code_is_not_found(client: Client) -> None:
    assert client.get("/docs/problems/" + "a" * 400).status_code == 404


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("group_fields", '["age\\u0000"]', "/group_fields: This can't be stored: at /0"),
        ("group_fields", '["\\ud800"]', "/group_fields: This can't be stored: at /0"),
        ("prompt_template", "[" * 30_000 + "]" * 30_000, "/prompt_template: This is not JSON"),
        ("prompt_template", "[" * 300 + "]" * 300, "/prompt_template: This can't be stored"),
        ("version_name", "1@2", "version_name"),
        ("version_name", "a/b", "version_name"),
    ],
)
def test_a_hostile_field_of_an_evaluation_set_is_named(
    client: Client, field: str, value: str, place: str
) -> None:
    client.force_login(accounts.user(Role.REVIEWER))
    items = SimpleUploadedFile("items.jsonl", b'{"text": "a", "expected": "b"}')
    fields = {
        "name": "notes",
        "items": items,
        "prompt_template": '[{"role": "user", "content": "{text}"}]',
        field: value,
    }
    answer = client.post("/api/v1/evaluation-sets", fields)
    assert answer.status_code == 400
    assert place in f"{answer.json()['detail']} {answer.json()['errors']}"


def test_half_a_surrogate_in_a_choice_of_a_form_is_refused(
    client: Client, bearer: dict[str, str]
) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="safety_class"\r\n\r\n+2AA-\r\n'
        b'--x\r\nContent-Disposition: form-data; name="slug"\r\n\r\na\r\n--x--\r\n'
    )
    kind = "multipart/form-data; boundary=x; charset=utf-7"
    answer = client.post("/api/v1/adapters", body, content_type=kind, headers=bearer)
    assert answer.status_code == 415
    assert "UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize("charset", ["zlib_codec", "hex", "utf-16"])
def test_bodies_are_utf_8(client: Client, bearer: dict[str, str], charset: str) -> None:
    kind = f"application/json; charset={charset}"
    body = zlib.compress(b"{}") if charset == "zlib_codec" else b"{}"
    answer = client.generic("POST", "/api/v1/adapters", body, kind, headers=bearer)
    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["1@2", "a:b", "a/b", "latest", "a b"])
def test_a_version_name_that_no_reference_could_name_is_refused(client: Client, name: str) -> None:
    adapter = make.adapter(owner=accounts.engineer())
    client.force_login(adapter.owner)
    package = SimpleUploadedFile("a.zip", make.zip_of(make.package()))
    answer = client.post(
        f"/api/v1/adapters/{adapter.ref}/versions", {"archive": package, "version_name": name}
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "version-name-refused"
