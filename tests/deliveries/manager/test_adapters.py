"""The manager's adapters through HTTP: register, list, read, change, switch, delete."""

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.accounts.models import User
from deliveries.models import EntryTag, LoraEntry
from tests.deliveries.manager.conftest import Register, reasons

pytestmark = pytest.mark.django_db
PATH = "/manager/adapters"
# The contract's fields and the type of each where it has a value.
FIELDS = {
    "id": str, "namespace": str, "name": str, "version": str, "tags": list, "file_path": str,
    "weight": float, "active": bool, "ordinal": int, "archetype": str,
    "archetype_confidence": float, "sha256": str, "size_bytes": int, "preview_url": str,
    "metadata_uri": str, "validation_status": str, "validation_detail": str, "created_at": str,
    "updated_at": str,
}  # fmt: skip
NULLABLE = {"version", "ordinal", "archetype", "archetype_confidence", "preview_url",
            "metadata_uri"}  # fmt: skip


def acts() -> list[str]:
    events = AuditEvent.objects.filter(object_type="lora_entry").order_by("pk")
    return list(events.values_list("action", flat=True))


def types(found: dict[str, Any]) -> dict[str, type]:
    """The type of each field's JSON value; a float stays one, whatever it is."""
    return {field: type(value) for field, value in found.items()}


def test_a_file_that_exists_is_registered_and_no_other_L1(client: APIClient, loras: Path) -> None:
    path = loras / "anime.safetensors"
    path.write_bytes(b"weights")
    made = client.post(PATH, {"name": "anime", "file_path": str(path)})
    assert made.status_code == 201
    adapter = made.json()["adapter"]
    assert (adapter["name"], adapter["file_path"]) == ("anime", str(path))
    assert client.get(made["Location"]).json() == made.json()
    missing = client.post(PATH, {"name": "other", "file_path": str(loras / "other")})
    assert "no file" in reasons(missing)["file_path"]
    assert set(reasons(client.post(PATH, {"name": "other"}))) == {"file_path"}
    assert set(reasons(client.post(PATH, {"file_path": str(path)}))) == {"name"}
    assert [row.name for row in LoraEntry.objects.all()] == ["anime"]


def test_what_is_told_of_an_adapter_is_what_was_stored_L15(client: APIClient, loras: Path) -> None:
    path = loras / "clinic.safetensors"
    path.write_bytes(b"weights")
    sent = {
        "name": "clinic",
        "namespace": "ward-7",
        "version": "1.2-beta",
        "tags": ["style:anime", "resolution:512"],
        "file_path": str(path),
        "weight": 0.75,
        "active": True,
        "ordinal": 3,
        "archetype": "portrait",
        "archetype_confidence": 0.9,
        "preview_url": "https://cdn.example/preview/1.png",
    }
    told = client.post(PATH, sent).json()["adapter"]
    assert {field: told[field] for field in sent} == sent
    row = LoraEntry.objects.get(uuid=told["id"])
    kept = (row.name, row.namespace, row.version, row.weight, row.is_compose_active, row.ordinal)
    assert kept == ("clinic", "ward-7", "1.2-beta", 0.75, True, 3)
    assert (row.archetype, row.archetype_confidence) == ("portrait", 0.9)
    assert (row.size_bytes, row.sha256) == (7, hashlib.sha256(b"weights").hexdigest())
    assert told == sent | {
        "id": str(row.uuid),
        "sha256": row.sha256,
        "size_bytes": 7,
        "metadata_uri": None,
        "validation_status": "valid",
        "validation_detail": "",
        "created_at": told["created_at"],
        "updated_at": told["created_at"],
    }
    later = {
        "metadata_uri": "s3://lora/one.json",
        "validation_detail": "It went away.",
        "created_at": "2020-02-29T04:05:06Z",
        "updated_at": "2021-01-01T00:00:00Z",
    }
    LoraEntry.objects.update(validation="invalid", **later)
    again = client.get(f"{PATH}/{told['id']}").json()["adapter"]
    assert again == told | later | {"validation_status": "invalid"}


def test_the_defaults_are_the_contracts(register: Register) -> None:
    told = register("plain")
    assert (told["weight"], told["active"], told["ordinal"]) == (1.0, False, None)
    assert (told["version"], told["tags"], told["archetype"]) == (None, [], None)


def test_what_is_null_or_empty_says_nothing(
    client: APIClient, register: Register, loras: Path
) -> None:
    path = loras / "null.safetensors"
    path.write_bytes(b"weights")
    optional = ("version", "tags", "weight", "active", "ordinal", "archetype", "metadata_uri",
                "namespace", "preview_url", "archetype_confidence")  # fmt: skip
    made = client.post(
        PATH, {"name": "null", "file_path": str(path), **dict.fromkeys(optional, None)}
    )
    assert made.status_code == 201, made.content
    defaults, told = register("plain"), made.json()["adapter"]
    assert {field: told[field] for field in optional} == {
        field: defaults[field] for field in optional
    }
    assert set(reasons(client.post(PATH, {"name": None, "file_path": str(path)}))) == {"name"}
    page = client.get(PATH, {"tag": "", "namespace": "", "active": ""}).json()
    assert page["total"] == 2
    blank = client.patch(f"{PATH}/{told['id']}", {"version": "", "archetype": ""}).json()["adapter"]
    assert (blank["version"], blank["archetype"]) == ("", "")
    on = client.generic("POST", f"{PATH}/{told['id']}/activate", "null", "application/json")
    assert (on.status_code, on.json()["adapter"]["active"]) == (200, True)


def test_a_body_without_a_content_type_is_json(client: APIClient, loras: Path) -> None:
    path = loras / "bare.safetensors"
    path.write_bytes(b"weights")
    body = json.dumps({"name": "bare", "file_path": str(path)})
    for place in (PATH, "/adapters"):
        made = client.generic("POST", place, body, content_type="")
        assert made.status_code in {201, 400}, made.content
    assert set(reasons(made)) == {"name"}  # by the first
    assert client.generic("POST", PATH, body, content_type="text/csv").status_code == 415


def test_a_page_is_cut_out_of_all_that_there_are_L2(client: APIClient, register: Register) -> None:
    for number in range(5):
        register(f"n{number}", weight=number)
    page = client.get(PATH, {"limit": 2, "offset": 2, "order_by": "name"}).json()
    assert [item["name"] for item in page["items"]] == ["n2", "n3"]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 2)
    whole = client.get(PATH).json()
    assert (len(whole["items"]), whole["limit"], whole["offset"]) == (5, 100, 0)
    last = client.get(PATH, {"order_by": "-weight", "limit": 1}).json()
    assert (last["items"][0]["name"], last["total"]) == ("n4", 5)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"offset": "-1"},
        {"offset": "9" * 30},
        {"order_by": "id"},
        {"active": "maybe"},
        {"tag": "x" * 101},
    ],
)
def test_a_page_that_can_not_be_cut_is_refused(client: APIClient, query: dict[str, str]) -> None:
    assert set(reasons(client.get(PATH, query))) == set(query)


def test_the_list_shows_what_is_active_or_is_not_L3(client: APIClient, register: Register) -> None:
    for number in range(3):
        register(f"on{number}", active=True)
    register("off")
    on = client.get(PATH, {"active": "true", "limit": 2}).json()
    assert on["total"] == 3
    assert all(item["active"] for item in on["items"])
    off = client.get(PATH, {"active": "false"}).json()
    assert [item["name"] for item in off["items"]] == ["off"]


def test_an_adapter_is_read_by_its_id_L4(client: APIClient, register: Register) -> None:
    adapter = register("one")
    register("other")
    read = client.get(f"{PATH}/{adapter['id']}")
    assert (read.status_code, read.json()) == (200, {"adapter": adapter})
    client.delete(f"{PATH}/{adapter['id']}")
    for unknown in (adapter["id"], uuid.uuid4()):
        answer = client.get(f"{PATH}/{unknown}")
        assert reasons(answer, 404) == {}
        assert answer.json()["code"] == "entry-not-found"


def test_a_change_changes_what_it_names_and_nothing_else_L5(
    client: APIClient, register: Register
) -> None:
    before = register("one", weight=0.5, tags=["a"], version="1", ordinal=2)
    path = f"{PATH}/{before['id']}"
    after = client.patch(path, {"weight": 0.25, "ordinal": None}).json()["adapter"]
    changed = {field for field in before if before[field] != after[field]}
    assert changed == {"weight", "ordinal", "updated_at"}
    assert (after["weight"], after["ordinal"]) == (0.25, None)
    for field, value in (
        ("id", str(uuid.uuid4())),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("sha256", "0" * 64),
        ("wieght", 1),
    ):
        assert set(reasons(client.patch(path, {field: value, "weight": 9}))) == {field}
    assert client.get(path).json() == {"adapter": after}
    assert client.patch(path, {}).json() == {"adapter": after}
    assert acts() == ["entry.created", "entry.changed"]
    assert reasons(client.patch(f"{PATH}/{uuid.uuid4()}", {"weight": 1}), 404) == {}


def test_a_deleted_entry_is_gone_and_its_file_is_not_L6(
    client: APIClient, register: Register
) -> None:
    adapter = register("one", active=True)
    path = f"{PATH}/{adapter['id']}"
    gone = client.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for again in (client.get(path), client.delete(path), client.post(f"{path}/activate")):
        assert again.status_code == 404
    assert client.get(PATH).json()["total"] == 0
    assert client.post("/manager/compose", {"prefix": "x"}).json()["tokens"] == []
    assert Path(adapter["file_path"]).is_file()
    assert LoraEntry.objects.get(uuid=adapter["id"]).deleted_at is not None
    assert register("one")["id"] != adapter["id"]


def test_activating_twice_is_activating_once_L7(client: APIClient, register: Register) -> None:
    adapter = register("one")
    path = f"{PATH}/{adapter['id']}/activate"
    first = client.post(path)
    assert first.status_code == 200
    assert first.json()["adapter"]["active"] is True
    assert client.post(path).json() == first.json()
    assert acts() == ["entry.created", "entry.activated"]
    composed = client.post("/manager/compose", {}).json()
    assert composed["tokens"] == ["<lora:one:1.000>"]


def test_the_ordinal_comes_in_the_body_or_in_the_query_L8(
    client: APIClient, register: Register
) -> None:
    first, second = register("first"), register("second")
    by_body = client.post(f"{PATH}/{first['id']}/activate", {"ordinal": 2})
    by_query = client.post(f"{PATH}/{second['id']}/activate?ordinal=1")
    assert by_body.json()["adapter"]["ordinal"] == 2
    assert by_query.json()["adapter"]["ordinal"] == 1
    kept = client.post(f"{PATH}/{first['id']}/activate").json()["adapter"]
    assert (kept["active"], kept["ordinal"]) == (True, 2)
    composed = client.post("/manager/compose", {}).json()
    assert composed["tokens"] == ["<lora:second:1.000>", "<lora:first:1.000>"]
    for query, body in (("?ordinal=1", {"ordinal": 2}), ("?ordinal=x", {}), ("", {"ordinal": "x"})):
        refused = client.post(f"{PATH}/{first['id']}/activate{query}", body)
        assert set(reasons(refused)) == {"ordinal"}


def test_deactivating_takes_it_out_of_the_prompt_L9(client: APIClient, register: Register) -> None:
    adapter = register("one", active=True, ordinal=4)
    path = f"{PATH}/{adapter['id']}/deactivate"
    off = client.post(path)
    assert (off.status_code, off.json()["adapter"]["active"]) == (200, False)
    assert off.json()["adapter"]["ordinal"] == 4
    assert client.post(path).json() == off.json()
    assert client.post("/manager/compose", {}).json()["tokens"] == []
    assert acts() == ["entry.created", "entry.deactivated"]


def test_tags_are_lists_for_callers_and_rows_for_us_L20(
    client: APIClient, register: Register
) -> None:
    adapter = register("one", tags=["style:anime", " z ", "style:anime", "a"])
    register("other", tags=["style:anime:more"])
    assert adapter["tags"] == ["style:anime", "z", "a"]
    assert client.get(f"{PATH}/{adapter['id']}").json()["adapter"]["tags"] == adapter["tags"]
    found = client.get(PATH, {"tag": "style:anime"}).json()
    assert ([item["id"] for item in found["items"]], found["total"]) == ([adapter["id"]], 1)
    changed = client.patch(f"{PATH}/{adapter['id']}", {"tags": ["b", "a"]}).json()["adapter"]
    assert changed["tags"] == ["b", "a"]
    rows = EntryTag.objects.filter(entry__uuid=adapter["id"])
    assert list(rows.values_list("tag", flat=True)) == ["b", "a"]


def test_times_know_their_zone_and_are_utc_L21(client: APIClient, register: Register) -> None:
    adapter = register("one")
    for field in ("created_at", "updated_at"):
        assert adapter[field].endswith("Z")
        moment = datetime.fromisoformat(adapter[field])
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    after = client.patch(f"{PATH}/{adapter['id']}", {"weight": 2}).json()["adapter"]
    assert after["created_at"] == adapter["created_at"]
    assert after["updated_at"] > adapter["updated_at"]
    row = LoraEntry.objects.get()
    assert row.created_at.tzinfo is not None
    assert row.created_at == datetime.fromisoformat(adapter["created_at"])


def test_the_shapes_of_answers_are_the_contracts_L22(client: APIClient, register: Register) -> None:
    whole = {
        "active": True, "version": "1.0", "tags": ["a"], "weight": 1, "ordinal": 2,
        "archetype": "portrait", "archetype_confidence": 1,
        "preview_url": "https://cdn.example/1.png",
    }  # fmt: skip
    adapter, bare = register("one", **whole), register("bare")
    path = f"{PATH}/{adapter['id']}"
    assert types(adapter) == FIELDS | {"metadata_uri": NoneType}
    assert [type(tag) for tag in adapter["tags"]] == [str]
    assert types(bare) == FIELDS | dict.fromkeys(NULLABLE, NoneType)
    for answer in (
        client.get(path),
        client.patch(path, {"weight": 1}),
        client.post(f"{path}/activate"),
        client.post(f"{path}/deactivate"),
    ):
        assert set(answer.json()) == {"adapter"}
        assert types(answer.json()["adapter"]) == types(adapter)
    page = client.get(PATH).json()
    assert types(page) == {"items": list, "total": int, "limit": int, "offset": int}
    assert [types(item) for item in page["items"]] == [types(adapter), types(bare)]
    composed = client.post("/manager/compose", {"prefix": "a"}).json()
    assert types(composed) == {
        "prompt": str, "tokens": list, "warnings": list, "composition_id": str
    }  # fmt: skip


def test_the_list_takes_as_many_queries_for_many_as_for_few(
    client: APIClient, register: Register, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        register(f"n{number}", tags=["a", "b"])
    client.get(PATH)  # the token's time of use is written once a minute
    with django_assert_max_num_queries(7):
        assert len(client.get(PATH).json()["items"]) == 4


def test_a_request_that_is_repeated_with_its_key_is_done_once(
    client: APIClient, loras: Path, engineer: User
) -> None:
    path = loras / "a.safetensors"
    path.write_bytes(b"weights")
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}
    body = {"name": "one", "file_path": str(path)}
    first = client.post(PATH, body, **key)
    again = client.post(PATH, body, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert LoraEntry.objects.count() == 1
