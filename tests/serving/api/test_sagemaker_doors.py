"""The SageMaker door of the registry, through HTTP: approved bytes alone, loaded by a rollout."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connections
from django.test import Client

from compliance.models import AuditEvent
from compliance.services import stops
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.asgi import Application, _django
from registry.models import VersionFile
from registry.selectors import live_version
from serving.gateway.gateway import Gateway
from serving.gateway.limits import Limits
from serving.models import Deployment, Replica
from serving.selectors.registrations import RegistrationState, facts_of
from serving.selectors.routing import build_snapshot
from serving.services import engine_profiles, rollouts
from serving.states import ReplicaState
from tests.factories import accounts
from tests.factories import gateway as servers
from tests.factories.at_once import at_once
from tests.factories.serving import House

FAST = Limits(poll_seconds=0.02, reread_seconds=0.2)
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


class Door:
    """A program that calls one mount of the contract."""

    def __init__(self, house: House, mount: str = "/sagemaker") -> None:
        self.house, self.mount = house, mount
        text = accounts.token_text(house.operator)
        self.client = Client(headers={"x-api-key": text})

    def post(self, body: Any, *, query: str = "", alias: str = "") -> Any:
        headers = {ALIAS: alias} if alias else {}
        return self.client.post(
            f"{self.mount}/adapters{query}", body, content_type="application/json", headers=headers
        )

    def delete(self, name: str, *, alias: str = "") -> Any:
        headers = {ALIAS: alias} if alias else {}
        return self.client.delete(f"{self.mount}/adapters/{name}", headers=headers)

    def load(self, name: str, version: Any) -> Any:
        """Registered, everything that runs by itself done, and asked for again."""
        body = {"name": name, "src": f"{version.adapter.slug}@{version.version_name}"}
        begun = self.post(body)
        assert begun.status_code == 202, begun.content
        self.house.settle(
            until=lambda: Deployment.objects.filter(
                public_name=name, stable_revision__isnull=False
            ).exists()
        )
        return self.post(body)


@pytest.fixture(autouse=True)
def _nobody_waits(settings: Any) -> None:
    settings.SAGEMAKER_REGISTER_WAIT_SECONDS = 0


@pytest.fixture
def door(house: House) -> Iterator[Door]:
    yield Door(house)


def _routed(name: str) -> bool:
    route = build_snapshot().deployments.get(name)
    return route is not None and route.stable is not None


def test_an_approved_version_is_loaded_answers_and_is_unloaded_S46_S47(
    house: House, door: Door
) -> None:
    version = house.version(evaluated_on=[house.evaluation_set()])
    answer = door.load("triage", version)
    assert (answer.status_code, answer.content) == (200, b"Adapter triage registered")
    assert answer["Content-Type"].startswith("text/plain")
    assert _routed("triage")
    assert house.node.loaded() == {version.runtime_name}
    # What a program loads says nothing of what the house stands for.
    assert live_version(house.adapter) is None

    gone = Door(house, "").delete("triage", alias="Chest notes")
    assert (gone.status_code, gone.content) == (200, b"Adapter Chest notes unregistered")
    assert not _routed("triage")
    assert type(version).objects.filter(pk=version.pk).exists()
    again = door.delete("triage")
    assert (again.status_code, again.json()) == (
        404,
        {"detail": "The adapter triage was not found"},
    )
    Replica.objects.update(unwanted_at="2020-01-01T00:00:00Z")
    house.look()
    house.look()
    assert Replica.objects.get(version=version).state == ReplicaState.UNLOADED
    assert house.node.loaded() == set()
    said = AuditEvent.objects.filter(action="registration.ended").get()
    assert said.actor_name == house.operator.username


def test_what_is_registered_answers_under_its_name_until_it_is_unloaded(
    house: House, door: Door
) -> None:
    version = house.version(evaluated_on=[house.evaluation_set()], script={"default": "low ward"})
    door.load("triage-a", version)
    house.load()
    text = accounts.token_text(house.operator)
    body = {"model": "triage-a", "messages": [{"role": "user", "content": "a cough"}]}
    app = Application(_django, Gateway(FAST))  # type: ignore[arg-type]
    with servers.served(app) as url, httpx.Client(base_url=url, timeout=20) as program:
        program.headers["X-API-Key"] = text
        answer = program.post(
            "/invocations",
            json={**body, "model": "another"},
            headers={"X-Amzn-SageMaker-Adapter-Identifier": "Triage-A"},
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "low ward"
        assert program.delete("/adapters/Triage-A").text == "Adapter Triage-A unregistered"
        servers.until(lambda: program.post("/invocations", json=body).status_code == 404)
        gone = program.post("/invocations", json=body).json()
        assert gone == {"detail": "The adapter triage-a was not found"}


def test_the_same_name_is_free_again_after_it_was_unloaded(house: House, door: Door) -> None:
    first = house.version(evaluated_on=[house.evaluation_set()])
    door.load("triage", first)
    taken = door.post({"name": "Triage", "src": f"sha256:{first.digest}"})
    assert taken.content == b"Adapter Triage registered"
    second = house.version(evaluated_on=[house.evaluation_set(name="other")])
    other = door.post({"name": "triage", "src": f"sha256:{second.digest}"})
    assert other.status_code == 409
    assert first.digest[:12] in other.json()["detail"]
    assert door.delete("triage").status_code == 200
    assert door.load("triage", second).status_code == 200
    route = build_snapshot().deployments["triage"]
    assert route.stable is not None and route.stable.digest == second.digest


def test_only_what_is_approved_and_not_stopped_is_loaded(house: House, door: Door) -> None:
    version = house.version(is_permitted=False)
    body = {"name": "triage", "src": f"{house.adapter.slug}@{version.version_name}"}
    refused = door.post(body)
    assert refused.status_code == 403
    assert "approved" in refused.json()["detail"]
    house.permit(version)
    stops.issue(
        digest=version.digest, reason="a test", user=house.operator, actor=actor_of(house.operator)
    )
    assert door.post(body).status_code == 403
    assert not Deployment.objects.filter(public_name="triage").exists()
    assert AuditEvent.objects.filter(action="registration.refused").count() == 2


def test_a_rank_that_no_node_takes_is_the_adapters_fault_S57_S63(house: House, door: Door) -> None:
    version = house.version(rank=128)
    answer = door.post({"name": "triage", "src": f"sha256:{version.digest}"})
    assert answer.status_code == 424
    assert "greater than max_lora_rank" in answer.json()["detail"]


def test_a_rollout_that_ends_before_it_is_loaded_frees_the_name(house: House, door: Door) -> None:
    version = house.version()
    body = {"name": "triage", "src": f"sha256:{version.digest}"}
    assert door.post(body).status_code == 202
    deployment = Deployment.objects.get(public_name="triage")
    rollout = deployment.rollouts.get()
    rollouts.abort(
        rollout=rollout,
        reason="The node caught fire.",
        user=house.operator,
        actor=actor_of(house.operator),
    )
    deployment.refresh_from_db()
    assert deployment.is_enabled is False
    assert "triage" not in build_snapshot().deployments


def test_a_deployment_of_the_house_is_neither_replaced_nor_unloaded(
    house: House, door: Door
) -> None:
    version = house.version()
    house.deployment(public_name="triage")
    answer = door.post({"name": "triage", "src": f"sha256:{version.digest}"})
    assert answer.status_code == 409
    assert door.delete("triage").status_code == 404
    assert Deployment.objects.get(public_name="triage").is_enabled


def test_every_form_of_a_source_names_the_same_version(house: House, door: Door) -> None:
    version = house.version()
    weights = VersionFile.objects.get(version=version, path="adapter_model.safetensors").blob
    ref = house.adapter.ref
    forms = [
        f"{ref}@{version.version_name}",
        f"{ref}@sha256:{version.digest[:12]}",
        str(version.uuid),
        f"sha256:{version.digest}",
        f"sha256:{weights.sha256}",
        f"http://127.0.0.1:8000/api/v1/blobs/{weights.sha256}",
    ]
    for form in forms:
        answer = door.post({"name": "triage", "src": form, "preload": False})
        assert answer.content == b"Adapter triage registered", (form, answer.content)
    assert Deployment.objects.get(public_name="triage").rollouts.count() == 1


def test_a_source_that_is_not_ours_is_refused(house: House, door: Door) -> None:
    for src in (
        "s3://somewhere/else",
        "https://elsewhere.example/api/v1/blobs/" + "0" * 64,
        "sha256:" + "0" * 64,
        "sha256:123",
        "/opt/ml/adapters/a",
        "file:///etc/passwd",
        "nobody@v1",
        "no ref at all",
        "https://[",
        "s3://[::1/key",
        "https://\u2100.example/api/v1/blobs/" + "0" * 64,
    ):
        answer = door.post({"name": "triage", "src": src})
        assert answer.status_code in {400, 404}, src
        assert list(answer.json()) == ["detail"], src
    assert not Deployment.objects.exists()


def test_a_key_that_no_row_can_have_names_nothing(door: Door, settings: Any) -> None:
    blobs = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": "ours"}}
    settings.STORAGES = {**settings.STORAGES, "blobs": blobs}
    for key in ("a%00b", "%ED%A0%80", "sha256/00/" + "0" * 64):
        answer = door.post({"name": "triage", "src": f"s3://ours/{key}"})
        assert answer.status_code == 400, key
        assert "registry" in answer.json()["detail"]


def test_an_idempotency_key_is_for_one_alias_also_where_a_header_names_it(door: Door) -> None:
    def load(alias: str) -> Any:
        headers = {"Idempotency-Key": "k1", ALIAS: alias}
        body = {"name": "one", "src": "nothing@v1"}
        path = f"{door.mount}/adapters"
        return door.client.post(path, body, content_type="application/json", headers=headers)

    first, again, other = load("one"), load("one"), load("two")
    assert first.status_code == again.status_code == 404
    assert (again["Idempotency-Replayed"], again.content) == ("true", first.content)
    assert (other.status_code, other.get("Idempotency-Replayed")) == (422, None)


def test_faults_of_the_fields_are_told_together_S56(door: Door) -> None:
    answer = door.post({"name": "", "preload": "perhaps"})
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    for word in ("name", "src", "preload"):
        assert word in detail
    assert door.post({"name": str(door.house.adapter.uuid), "src": "a@b"}).status_code == 400


def test_a_call_by_query_alone_is_understood(house: House, door: Door) -> None:
    version = house.version()
    query = f"?name=triage&src=sha256:{version.digest}&preload=false"
    assert door.post("", query=query).content == b"Adapter triage registered"


def test_the_answer_waits_until_the_adapter_is_loaded(
    house: House, door: Door, settings: Any
) -> None:
    settings.SAGEMAKER_REGISTER_WAIT_SECONDS = 60
    version = house.version(evaluated_on=[house.evaluation_set()])
    with ThreadPoolExecutor(max_workers=1) as program:
        asked = program.submit(
            _post_and_close, door, {"name": "triage", "src": f"sha256:{version.digest}"}
        )
        # However late the program asks, there is somebody who goes on with what it asks for.
        servers.until(lambda: house.look() or asked.done(), seconds=90)
        answer = asked.result()
    assert (answer.status_code, answer.content) == (200, b"Adapter triage registered")
    assert _routed("triage")


def test_how_far_a_registration_has_come_is_read_at_one_moment(
    house: House, door: Door, django_assert_num_queries: Any
) -> None:
    """In two reads a rollout that ends between them would have ended with nothing loaded."""
    version = house.version()
    assert door.post({"name": "triage", "src": f"sha256:{version.digest}"}).status_code == 202
    row = Deployment.objects.get(public_name="triage")
    with django_assert_num_queries(1):
        assert facts_of(row).state == RegistrationState.LOADING


def test_who_asks_for_the_same_at_the_same_moment_gets_the_same(house: House) -> None:
    version = house.version()
    doors = [Door(house) for _ in range(4)]
    body = {"name": "triage", "src": f"sha256:{version.digest}"}
    answers = at_once(lambda index: doors[index].post(body), count=len(doors))
    assert [answer.status_code for answer in answers] == [202] * len(doors)
    row = Deployment.objects.get(public_name="triage")
    assert row.is_enabled
    assert row.rollouts.get().state == "running"


def test_of_two_versions_at_the_same_moment_one_gets_the_name(house: House) -> None:
    versions = [house.version(), house.version()]
    doors = [Door(house) for _ in versions]
    answers = at_once(
        lambda index: doors[index].post(
            {"name": "triage", "src": f"sha256:{versions[index].digest}"}
        ),
        count=len(doors),
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    row = Deployment.objects.get(public_name="triage")
    assert row.is_enabled
    assert row.rollouts.get().state == "running"


def _post_and_close(door: Door, body: Any) -> Any:
    try:
        return door.post(body)
    finally:
        connections.close_all()


def test_who_may_not_deploy_may_not_load(house: House) -> None:
    reader = Client(headers={"x-api-key": accounts.token_text(accounts.user(Role.REVIEWER))})
    for path in ("/adapters", "/sagemaker/adapters"):
        answer = reader.post(path, {"name": "a", "src": "a@b"}, content_type="application/json")
        assert answer.status_code == 403
        assert list(answer.json()) == ["detail"]
    assert reader.delete("/adapters/triage").status_code == 403


def test_the_engine_profile_of_the_door_shapes_what_comes_and_goes(
    house: House, door: Door
) -> None:
    engine_profiles.save(
        values={
            "name": "ours",
            "register_request_shape": {
                "name": "body.name",
                "src": "body.where.it.lies",
                "preload": "body.preload",
            },
            "register_response_shape": {"adapter_name": "id", "status": "state"},
            "unregister_request_shape": {"name": "path_params.adapter_name"},
        },
        is_used_by_door=True,
        user=house.operator,
        actor=actor_of(house.operator),
    )
    version = house.version()
    body = {
        "name": "triage",
        "src": "unused",
        "preload": False,
        "where": {"it": {"lies": f"sha256:{version.digest}"}},
    }
    answer = door.post(body)
    assert answer.status_code == 200
    assert answer.json() == {"adapter_name": "triage", "status": "loading"}
    assert door.delete("triage").content == b"Adapter triage unregistered"
