"""What the manager refuses: callers who may not, and values that a field can't hold."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.roles import Role
from tests.deliveries.manager.conftest import Register, reasons
from tests.factories import accounts

pytestmark = pytest.mark.django_db
PATH = "/manager/adapters"


def test_who_may_not_is_told_so_and_it_is_written_down_L28(
    client: APIClient, register: Register
) -> None:
    adapter = register("one")
    reader = accounts.client_of(accounts.user(Role.REVIEWER))
    application = accounts.client_of(accounts.user(Role.APPLICATION))
    writing = [
        ("post", PATH, {"name": "x", "file_path": adapter["file_path"]}),
        ("patch", f"{PATH}/{adapter['id']}", {"weight": 2}),
        ("post", f"{PATH}/{adapter['id']}/activate", {}),
        ("post", f"{PATH}/{adapter['id']}/deactivate", {}),
        ("delete", f"{PATH}/{adapter['id']}", {}),
    ]
    for method, path, body in writing:
        anonymous = getattr(APIClient(), method)(path, body)
        assert reasons(anonymous, 401) == {}
        for nobody in (reader, application):
            assert reasons(getattr(nobody, method)(path, body), 403) == {}
    assert AuditEvent.objects.filter(action="access.refused").count() == 2 * len(writing)
    assert reader.get(PATH).json()["items"] == [adapter]
    assert application.get(PATH).status_code == 403
    assert APIClient().get(PATH).status_code == 401
    assert APIClient().post("/manager/compose", {}).status_code == 401
    assert application.post("/manager/compose", {}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a<b"),
        ("name", "a>b"),
        ("name", "a:b"),
        ("name", ""),
        ("name", " a"),
        ("name", "a\nb"),
        ("name", "123e4567-e89b-12d3-a456-426614174000"),
        ("name", "x" * 201),
        ("namespace", "Not Good"),
        ("weight", "heavy"),
        ("weight", 101),
        ("weight", True),
        ("weight", 10**400),
        ("ordinal", 2**31),
        ("ordinal", 1.5),
        ("tags", ["x" * 101]),
        ("tags", "a"),
        ("tags", [str(n) for n in range(51)]),
        ("archetype_confidence", 1.1),
        ("preview_url", "http://cdn.example/1.png"),
        ("preview_url", "https://user:word@cdn.example/1.png"),
        ("preview_url", "https://cdn.example/1.png?token=1"),
        ("preview_url", "s3://elsewhere/1.png"),
    ],
)
def test_what_a_field_can_not_hold_is_refused_by_name(
    client: APIClient, register: Register, field: str, value: Any
) -> None:
    adapter = register("one")
    answer = client.patch(f"{PATH}/{adapter['id']}", {field: value})
    assert [name.partition(".")[0] for name in reasons(answer)] == [field]
    new = {"name": "two", "file_path": adapter["file_path"], field: value}
    assert [name.partition(".")[0] for name in reasons(client.post(PATH, new))] == [field]
    assert client.get(PATH).json()["items"] == [adapter]


def test_a_name_is_given_once_in_a_namespace(client: APIClient, register: Register) -> None:
    first, second = register("one"), register("two")
    for answer in (
        client.post(PATH, {"name": "one", "file_path": first["file_path"]}),
        client.patch(f"{PATH}/{second['id']}", {"name": "one"}),
    ):
        assert set(reasons(answer)) == {"name"}
        assert answer.json()["code"] == "entry-name-taken"
    assert register("one", namespace="elsewhere")["name"] == "one"
