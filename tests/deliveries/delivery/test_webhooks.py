"""Webhooks: opened with a secret that is shown once, told of events, ended."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from compliance.events import DigestStopped, VersionApproved
from compliance.models import AuditEvent
from config.accounts.models import User
from config.accounts.roles import Role
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from deliveries.domain import webhook_signatures
from deliveries.models import DeliveryJob, WebhookEndpoint
from deliveries.services import delivery_jobs, webhooks
from registry.events import TrainingRunFinished
from registry.models import TrainingRun
from registry.states import TrainingState
from serving.services import rollout_records
from tests.deliveries.delivery.receiver import Receiver
from tests.factories import accounts, console
from tests.factories import registry as make

pytestmark = pytest.mark.django_db


def _opened(receiver: Receiver, user: User, actor: Actor, *events: str) -> tuple[Any, str]:
    return webhooks.create(url=f"{receiver.url}/hook", events=events, user=user, actor=actor)


def _deliver_all() -> None:
    for job in DeliveryJob.objects.all():
        delivery_jobs.run(job_id=job.pk)


def _genuine(receiver: Receiver, secret: str) -> dict[str, Any]:
    (got,) = receiver.got
    assert webhook_signatures.is_genuine(
        secret=secret,
        body=got.body,
        header=got.headers["x-formulary-signature"],
        now_seconds=int(clock.now().timestamp()),
    )
    told: dict[str, Any] = got.json
    assert set(told) == {"id", "type", "at", "data"}
    assert got.headers["x-formulary-event"] == told["type"]
    return told


def test_the_end_of_a_training_is_told_A59(receiver: Receiver, user: User, actor: Actor) -> None:
    version = make.version()
    run = TrainingRun.objects.create(
        adapter=version.adapter,
        base_model=version.adapter.base_model,
        base_digest=version.adapter.base_model.digest,
        trainer="test",
        seed=1,
        state=TrainingState.COMPLETED,
        requested_by=user,
        version=version,
    )
    _, secret = _opened(receiver, user, actor, "training.completed")
    for state, version_id in ((TrainingState.FAILED, None), (TrainingState.COMPLETED, version.pk)):
        with transaction.atomic():
            publish(
                TrainingRunFinished(
                    actor=SYSTEM,
                    object_type="training_run",
                    object_id=str(run.uuid),
                    reason="a sentence that stays here",
                    run_id=run.pk,
                    state=state,
                    version_id=version_id,
                )
            )
    _deliver_all()
    told = _genuine(receiver, secret)
    assert told["type"] == "training.completed"
    assert told["data"]["training_run"] == str(run.uuid)
    assert told["data"]["version"]["digest"] == version.digest
    assert "sentence" not in json.dumps(told)


def test_a_stop_and_an_approval_are_told(receiver: Receiver, user: User, actor: Actor) -> None:
    version = make.version()
    _, secret = _opened(receiver, user, actor, "version.approved")
    _, other = _opened(receiver, user, actor, "stop.issued")
    with transaction.atomic():
        about = {"actor": SYSTEM, "object_type": "version", "object_id": str(version.uuid)}
        publish(VersionApproved(**about, version_id=version.pk))  # type: ignore[arg-type]
        publish(DigestStopped(**about, digest=version.digest))  # type: ignore[arg-type]
    assert DeliveryJob.objects.count() == 2
    stop, approval = DeliveryJob.objects.all()
    delivery_jobs.run(job_id=approval.pk)
    assert _genuine(receiver, secret)["data"]["uuid"] == str(version.uuid)
    receiver.got.clear()
    delivery_jobs.run(job_id=stop.pk)
    assert _genuine(receiver, other)["data"] == {"digest": version.digest}


@pytest.mark.parametrize(
    ("act", "event"),
    [
        ("rollout.promoted", "rollout.promoted"),
        ("rollout.rolled_back", "rollout.rolled_back"),
        ("rollback.finished", "rollout.rolled_back"),
    ],
)
def test_the_end_of_a_rollout_is_told_once(
    receiver: Receiver, user: User, actor: Actor, act: str, event: str
) -> None:
    world = console.world()
    version = console.version(world, name="v1", checked=False)
    rollout = console.rollout(
        world,
        console.deployment(world, stable=console.version(world, name="v0", checked=False)),
        version,
    )
    _, secret = _opened(receiver, user, actor, "rollout.promoted", "rollout.rolled_back")
    with transaction.atomic():
        for each in ("rollout.step", act, "rollout.step"):
            rollout_records.record(rollout, each, SYSTEM, diff={}, reason="Ms Example fell ill")
    _deliver_all()
    told = _genuine(receiver, secret)
    assert told["type"] == event
    assert told["data"]["rollout"] == str(rollout.uuid)
    assert told["data"]["digest"] == version.digest
    assert "Example" not in json.dumps(told)


def test_an_ended_webhook_is_told_nothing_more(
    receiver: Receiver, user: User, actor: Actor
) -> None:
    endpoint, _ = _opened(receiver, user, actor, "stop.issued")
    assert webhooks.announce(event="stop.issued", data={}, actor=SYSTEM) == 1
    assert webhooks.announce(event="version.approved", data={}, actor=SYSTEM) == 0
    webhooks.end(endpoint=endpoint, actor=actor)
    assert webhooks.announce(event="stop.issued", data={}, actor=SYSTEM) == 0
    _deliver_all()
    assert DeliveryJob.objects.get().state == "failed"
    assert receiver.got == []


def test_an_endpoint_is_opened_listed_and_ended(client: Client, receiver: Receiver) -> None:
    body = {"url": f"{receiver.url}/secret-path", "events": ["stop.issued"], "description": "Duty"}
    made = client.post("/api/v1/webhooks", body, content_type="application/json")
    assert made.status_code == 201, made.content
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    row = WebhookEndpoint.objects.get()
    assert secret.encode() not in bytes(row.secret_encrypted)
    listed = client.get("/api/v1/webhooks").json()["results"]
    assert [each["uuid"] for each in listed] == [str(row.uuid)] and "secret" not in listed[0]
    path = made["Location"]
    assert client.get(path).json() == listed[0]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    acts = AuditEvent.objects.filter(object_type="webhook").order_by("pk")
    assert [each.action for each in acts] == ["webhook.created", "webhook.ended"]
    assert not any(word in acts[0].body for word in (secret, "secret-path"))


def test_a_prompt_can_go_to_an_endpoint(client: Client, receiver: Receiver) -> None:
    body = {"url": f"{receiver.url}/hook", "events": ["stop.issued"]}
    made = client.post("/api/v1/webhooks", body, content_type="application/json").json()
    sent = {"prompt": "calm", "mode": "webhook", "params": {"webhook": {"endpoint": made["uuid"]}}}
    assert client.post("/deliveries", sent, content_type="application/json").status_code == 201
    _deliver_all()
    assert _genuine_prompt(receiver, made["secret"]) == {"prompt": "calm"}
    sent["params"] = {"webhook": {"endpoint": made["uuid"], "event": "stop.issued"}}
    forged = client.post("/deliveries", sent, content_type="application/json")
    assert forged.status_code == 400, "nobody makes news up"


def _genuine_prompt(receiver: Receiver, secret: str) -> Any:
    (got,) = receiver.got
    assert webhook_signatures.is_genuine(
        secret=secret,
        body=got.body,
        header=got.headers["x-formulary-signature"],
        now_seconds=int(clock.now().timestamp()),
    )
    return got.json["data"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "http://10.0.0.1/", "events": ["stop.issued"]}, 400),
        ({"url": "http://127.0.0.1/", "events": []}, 400),
        ({"url": "http://127.0.0.1/", "events": ["everything"]}, 400),
        ({"url": "nowhere", "events": ["stop.issued"]}, 400),
    ],
)
def test_a_wrong_endpoint_is_refused(
    client: Client, receiver: Receiver, body: Any, status: int
) -> None:
    answer = client.post("/api/v1/webhooks", body, content_type="application/json")
    assert answer.status_code == status
    assert not WebhookEndpoint.objects.exists()


def test_endpoints_need_a_role(receiver: Receiver) -> None:
    for role in (Role.APPLICATION, Role.REVIEWER, Role.ADMINISTRATOR):
        text = accounts.token_text(accounts.user(role))
        refused = Client(headers={"Authorization": f"Bearer {text}"})
        assert refused.get("/api/v1/webhooks").status_code == 403
        assert refused.get(f"/api/v1/webhooks/{uuid4()}").status_code == 403
    assert Client().get("/api/v1/webhooks").status_code == 401
