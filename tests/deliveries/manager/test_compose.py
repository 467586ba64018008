"""Composing through HTTP: the prompt, what is left out, what is kept, and the delivery."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from compliance.services import stops
from config.accounts.models import User
from config.accounts.roles import Act, Role
from config.accounts.selectors import actor_of
from deliveries.models import Composition, DeliveryJob
from deliveries.services.compositions import prompt_mac
from registry.domain.packages import WEIGHTS_FILE
from registry.models import Version
from tests.deliveries.manager.conftest import Register
from tests.factories import accounts, compliance
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
PATH = "/manager/compose"
TARGET = {"mode": "http", "http": {"host": "127.0.0.1", "port": 9, "path": "/prompts"}}


@pytest.fixture
def registered_weights(client: APIClient, loras: Path) -> Callable[..., dict[str, Any]]:
    """Registers a file with the very bytes of a registry version's weights."""

    def make_entry(version: Version, data: bytes, name: str = "clinical") -> dict[str, Any]:
        path = loras / f"{version.digest}.safetensors"
        path.write_bytes(data)
        body = {"name": name, "file_path": str(path), "active": True}
        adapter: dict[str, Any] = client.post("/manager/adapters", body).json()["adapter"]
        files = {row.path: row.blob.sha256 for row in version.files.select_related("blob")}
        assert files[WEIGHTS_FILE] == adapter["sha256"]
        return adapter

    return make_entry


def compose(client: APIClient, **body: Any) -> dict[str, Any]:
    answer = client.post(PATH, body)
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_a_prompt_is_composed_of_what_is_active_L10(client: APIClient, register: Register) -> None:
    register("zeta", active=True)
    register("alpha", active=True, weight=0.75)
    register("late", active=True, ordinal=2)
    register("early", active=True, ordinal=-1, weight=0)
    register("off")
    told = compose(client, prefix=" a photo ", suffix="of a cat\n")
    tokens = ["<lora:early:0.000>", "<lora:late:1.000>", "<lora:alpha:0.750>", "<lora:zeta:1.000>"]
    assert told["tokens"] == tokens
    assert told["prompt"] == f"a photo {' '.join(tokens)} of a cat"
    assert told["warnings"] == ['"early" has weight 0 and changes nothing']


def test_of_one_name_the_highest_weight_stands_at_the_first_place(
    client: APIClient, register: Register
) -> None:
    register("a", active=True, ordinal=1, weight=0.2)
    register("b", active=True, ordinal=2)
    register("a", active=True, ordinal=3, weight=0.9, namespace="other")
    assert compose(client)["tokens"] == ["<lora:a:0.900>", "<lora:b:1.000>"]
    assert "active 2 times" in compose(client)["warnings"][0]
    assert compose(client, namespace="other")["tokens"] == ["<lora:a:0.900>"]
    assert compose(client, namespace="default")["tokens"][0] == "<lora:a:0.200>"


def test_without_adapters_the_prompt_is_what_was_sent(client: APIClient) -> None:
    told = compose(client, prefix="a", suffix=None)
    assert (told["prompt"], told["tokens"]) == ("a", [])
    assert told["warnings"] == ["No active adapters found for composition"]
    assert compose(client)["prompt"] == ""


def test_settings_say_where_the_unnumbered_stand_and_how_tokens_look(
    client: APIClient, register: Register, settings: Any
) -> None:
    register("m", active=True, ordinal=0)
    register("b", active=True)
    register("x", active=True, ordinal=1, weight=0.5)
    settings.COMPOSE_NULL_ORDINAL = "zero"
    settings.COMPOSE_TOKEN_FORMAT = "({name}:{short})"
    assert compose(client)["tokens"] == ["(b:1)", "(m:1)", "(x:0.5)"]


def test_language_models_get_the_adapter_beside_the_prompt(
    client: APIClient, register: Register
) -> None:
    register("triage", active=True)
    asked = {"prefix": "You sort notes.", "suffix": "Note: cough"}
    plain = compose(client, format="vllm", **asked)
    assert plain["prompt"] == "You sort notes. Note: cough"
    assert plain["request"] == {"model": "triage", "prompt": plain["prompt"]}
    chat = compose(client, format="messages", **asked)
    assert [part["role"] for part in chat["request"]["messages"]] == ["system", "user"]
    refused = client.post(PATH, {"format": "xml"})
    assert [row["name"] for row in refused.json()["invalid_params"]] == ["format"]


def test_composing_with_a_delivery_enqueues_it_L11(
    client: APIClient, register: Register, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1:9"]
    register("a", active=True)
    told = compose(client, prefix="x", delivery=TARGET)
    job = DeliveryJob.objects.get()
    assert told["delivery"] == {"id": str(job.uuid), "status": "pending"}
    assert str(job.composition.uuid) == told["composition_id"]
    shown = client.get(f"/manager/deliveries/{job.uuid}").json()["delivery"]
    assert (shown["prompt"], shown["mode"]) == ("x <lora:a:1.000>", "http")
    assert shown["params"] == TARGET


def test_a_delivery_that_is_refused_leaves_nothing_behind(client: APIClient, settings: Any) -> None:
    settings.EGRESS_ALLOW = []
    for wish in (TARGET, {"mode": "pigeon"}, {"http": {}}, "http", {"mode": "http", "http": 3}):
        refused = client.post(PATH, {"prefix": "x", "delivery": wish})
        assert refused.status_code == 400, wish
        assert refused["Content-Type"] == "application/problem+json"
    assert not Composition.objects.exists()
    assert not DeliveryJob.objects.exists()


def test_who_may_compose_may_not_therefore_deliver(settings: Any) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1:9"]
    person = accounts.engineer()
    asking_alone = accounts.client_of(person, Act.INFER)
    assert asking_alone.post(PATH, {"prefix": "x"}).status_code == 200
    assert asking_alone.post(PATH, {"prefix": "x", "delivery": TARGET}).status_code == 403
    settings.DELIVERY_RATE_PER_MINUTE = 1
    both = accounts.client_of(person, Act.INFER, Act.DELIVER)
    answers = [both.post(PATH, {"delivery": TARGET}).status_code for _ in range(2)]
    assert answers == [200, 429]


def test_a_composition_is_frozen_and_holds_no_text(client: APIClient, register: Register) -> None:
    adapter = register("a", active=True, weight=0.5)
    secret = "the patient is called Erika"
    told = compose(client, prefix=secret)
    path = f"/api/v1/compositions/{told['composition_id']}"
    before = client.get(path).json()
    client.patch(f"/manager/adapters/{adapter['id']}", {"weight": 2, "name": "b"})
    assert client.get(path).json() == before
    assert before["adapters"] == [
        {
            "id": adapter["id"],
            "namespace": "default",
            "name": "a",
            "version": None,
            "weight": 0.5,
            "ordinal": None,
            "sha256": adapter["sha256"],
            "token": "<lora:a:0.500>",
        }
    ]
    assert before["prompt_mac"] == prompt_mac(told["prompt"])
    assert before["prompt_length"] == len(told["prompt"])
    assert secret not in json.dumps(client.get("/api/v1/compositions").json())
    missing = client.get("/api/v1/compositions/123e4567-e89b-12d3-a456-426614174000")
    assert (missing.status_code, missing.json()["code"]) == (404, "composition-not-found")


def test_the_trail_and_the_log_hold_no_text_either(
    client: APIClient, register: Register, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1:9"]
    register("a", active=True)
    with caplog.at_level(logging.DEBUG):
        compose(client, prefix="called Erika", suffix="with a cough", delivery=TARGET)
    event = AuditEvent.objects.get(action="prompt.composed")
    assert "<lora:a:1.000>" in event.body
    for text in ("Erika", "cough"):
        assert text not in caplog.text
        assert not AuditEvent.objects.filter(body__contains=text).exists()


def test_one_account_composes_so_often_and_no_more(
    client: APIClient, application: APIClient, settings: Any
) -> None:
    settings.COMPOSE_RATE_PER_MINUTE = 2
    answers = [client.post(PATH, {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert answers[2].json()["invalid_params"] == []
    assert application.post(PATH, {}).status_code == 200


def test_weights_that_were_stopped_or_refused_or_not_approved_are_left_out(
    client: APIClient, engineer: User, registered_weights: Callable[..., Any], register: Register
) -> None:
    register("plain", active=True)
    files = make.package(seed=901)
    version = make.version(of=make.adapter(owner=engineer, safety_class="A"), files=files)
    registered_weights(version, files[WEIGHTS_FILE])
    told = compose(client)
    assert told["tokens"] == ["<lora:plain:1.000>"]
    assert "nobody approved them" in told["warnings"][0]
    compliance.approved(compliance.evaluated(version))
    assert compose(client)["tokens"] == ["<lora:clinical:1.000>", "<lora:plain:1.000>"]
    officer = accounts.user(Role.COMPLIANCE_OFFICER)
    stops.issue(digest=version.digest, reason="odd answers", user=officer, actor=actor_of(officer))
    told = compose(client)
    assert told["tokens"] == ["<lora:plain:1.000>"]
    assert "has stopped these weights" in told["warnings"][0]


def test_refused_weights_are_left_out_whatever_their_type(
    client: APIClient, engineer: User, registered_weights: Callable[..., Any]
) -> None:
    files = make.package(seed=902)
    adapter = make.adapter(owner=engineer, safety_class="A", adapter_type="lora")
    version = make.version(of=adapter, files=files)
    registered_weights(version, files[WEIGHTS_FILE])
    assert compose(client)["tokens"] == ["<lora:clinical:1.000>"]
    request = compliance.requested(compliance.evaluated(version))
    compliance.signer(Role.REVIEWER).reject(request, "it invents things")
    told = compose(client)
    assert told["tokens"] == []
    assert any("has refused these weights" in text for text in told["warnings"])


def test_the_highest_weight_of_a_name_is_one_that_may_be_composed(
    client: APIClient, engineer: User, registered_weights: Callable[..., Any], register: Register
) -> None:
    files = make.package(seed=903)
    version = make.version(of=make.adapter(owner=engineer), files=files)
    kept_out = registered_weights(version, files[WEIGHTS_FILE], name="same")
    client.patch(f"/manager/adapters/{kept_out['id']}", {"weight": 9})
    register("same", active=True, weight=0.1, namespace="other")
    assert compose(client)["tokens"] == ["<lora:same:0.100>"]


@pytest.mark.parametrize(
    "body",
    [
        {"prefix": {"text": "a"}},
        {"prefix": ["a"]},
        {"suffix": "x" * 200_001},
        {"delivery": []},
    ],
)
def test_what_can_not_be_composed_is_refused(client: APIClient, body: dict[str, Any]) -> None:
    answer = client.post(PATH, body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["invalid_params"][0]["name"].split(".")[0] in body
