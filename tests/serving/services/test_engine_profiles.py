"""Engine profiles: checked before they are stored, in the API and in the console alike."""

import html
from typing import Any

import pytest
from django.test import Client

from compliance.models import AuditEvent
from config.accounts.roles import Role
from serving.domain.engine_profiles import PACKAGED, EngineProfile
from serving.errors import EngineProfileInvalid
from serving.models import EngineProfileRow
from serving.selectors import engine_profiles as reads
from tests.factories import accounts
from tests.factories.at_once import at_once

pytestmark = pytest.mark.django_db
PATH = "/api/v1/engine-profiles"
OURS = {"name": "body.name", "src": "body.src"}


@pytest.fixture
def operator() -> Client:
    text = accounts.token_text(accounts.user(Role.OPERATOR))
    return Client(headers={"authorization": f"Bearer {text}"})


def _put(client: Client, name: str, **values: Any) -> Any:
    return client.put(f"{PATH}/{name}", values, content_type="application/json")


@pytest.mark.parametrize("name", sorted(PACKAGED))
def test_a_packaged_profile_can_work(name: str) -> None:
    profile = PACKAGED[name]
    assert EngineProfile.checked(**profile.as_json()) == profile


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": "Not a name"}, "/name"),
        ({"register_request_shape": {"model": "body.["}}, "/register_request_shape"),
        ({"register_request_shape": {"model": 3}}, "/register_request_shape"),
        ({"register_request_shape": {"a": {"b": "no_such(body)"}}}, "/register_request_shape"),
        ({"unregister_response_shape": {"status": "state["}}, "/unregister_response_shape"),
        ({"unregister_request_shape": "text"}, "/unregister_request_shape"),
        ({"register_request_shape": {str(n): "body.a" for n in range(70)}}, "/register_request_"),
        ({"adapter_path": ""}, "/adapter_path"),
        ({"separator": ":"}, "/adapter_path"),
    ],
)
def test_a_profile_that_cannot_work_names_its_fault(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(EngineProfileInvalid) as refused:
        EngineProfile.checked(**{"name": "ours", **values})
    assert any(error["pointer"].startswith(pointer) for error in refused.value.errors)


def test_a_profile_is_stored_read_and_on_record(operator: Client) -> None:
    saved = _put(
        operator,
        "tgi",
        title="TGI",
        register_request_shape={"id": "body.name", "config": {"pin": "body.pin"}},
        register_response_shape={"adapter_name": "id"},
        adapter_path="adapter_id",
    )
    assert saved.status_code == 200, saved.content
    found = operator.get(f"{PATH}/tgi").json()
    assert found["register_request_shape"] == {"id": "body.name", "config": {"pin": "body.pin"}}
    assert found["is_used_by_door"] is False
    names = [row["name"] for row in operator.get(PATH).json()]
    assert names == ["formulary", "tgi", "vllm"]
    assert AuditEvent.objects.filter(action="engine_profile.saved", object_id="tgi").exists()
    missing = operator.get(f"{PATH}/nobody")
    assert (missing.status_code, missing.json()["code"]) == (404, "engine-profile-not-found")


def test_the_door_takes_one_profile_and_only_one_that_names_what_it_needs(
    operator: Client,
) -> None:
    vllm = PACKAGED["vllm"].as_json()
    refused = _put(operator, **{**vllm, "is_used_by_door": True})
    assert (refused.status_code, refused.json()["code"]) == (400, "engine-profile-invalid")
    assert reads.door_profile() == PACKAGED["formulary"]
    unload = {"name": "path_params.adapter_name"}
    for name in ("one", "two"):
        saved = _put(
            operator,
            name,
            register_request_shape=OURS,
            unregister_request_shape=unload,
            is_used_by_door=True,
        )
        assert saved.status_code == 200, saved.content
    assert reads.door_profile().name == "two"
    assert EngineProfileRow.objects.filter(is_used_by_door=True).count() == 1
    # The packaged one is used where nobody chose, so it may not be spoilt.
    assert _put(operator, "formulary", register_request_shape={}).status_code == 400


def test_who_registers_no_nodes_changes_no_profile() -> None:
    engineer = Client(headers={"x-api-key": accounts.token_text(accounts.user(Role.ML_ENGINEER))})
    assert engineer.get(PATH).status_code == 200
    assert _put(engineer, "ours", register_request_shape=OURS).status_code == 403


def test_the_console_shows_changes_and_refuses_profiles() -> None:
    person = accounts.user(Role.OPERATOR)
    client = Client()
    client.force_login(person, backend="config.accounts.backends.RoleBackend")
    path = "/console/engine-profiles/"
    page = html.unescape(client.get(path).content.decode())
    assert '"lora_name": "body.name"' in page
    form = {"act": "save", "form": "vllm", "name": "vllm", "adapter_path": "model"}
    refused = client.post(path, {**form, "register_request_shape": '{"lora_name": "body.["}'})
    assert refused.status_code == 400
    assert '{"lora_name": "body.["}' in html.unescape(refused.content.decode())
    assert client.post(path, {**form, "register_request_shape": "no json"}).status_code == 400
    assert not EngineProfileRow.objects.exists()
    saved = client.post(path, {**form, "register_request_shape": '{"lora_name": "body.src"}'})
    assert saved.status_code == 302
    assert reads.profile_by_name("vllm").register_request_shape == {"lora_name": "body.src"}
    reader = accounts.user(Role.REVIEWER)
    client.force_login(reader, backend="config.accounts.backends.RoleBackend")
    assert "<form" not in client.get(path).content.decode().split("<main", 1)[-1]
    assert client.post(path, {**form, "register_request_shape": "{}"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_two_profiles_for_the_door_at_once_one_is_used() -> None:
    text = accounts.token_text(accounts.user(Role.OPERATOR))
    shapes = {
        "register_request_shape": OURS,
        "unregister_request_shape": {"name": "path_params.adapter_name"},
    }

    def save(index: int) -> int:
        client = Client(headers={"authorization": f"Bearer {text}"})
        values = {**shapes, "is_used_by_door": True}
        return int(_put(client, f"profile-{index}", **values).status_code)

    statuses = at_once(save, count=4)
    assert set(statuses) <= {200, 409}
    assert statuses.count(200) >= 1
    assert EngineProfileRow.objects.get(is_used_by_door=True).name == reads.door_profile().name
