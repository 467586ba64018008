"""Deliveries over HTTP: the LoRA manager's two paths, and our own."""

from typing import Any

import pytest
from django.test import Client

from compliance.models import AuditEvent
from config.accounts.models import User
from config.accounts.roles import Role
from deliveries.models import DeliveryJob
from deliveries.services import delivery_jobs
from tests.deliveries.delivery.receiver import Receiver
from tests.factories import accounts

pytestmark = pytest.mark.django_db
PROMPT = "calm, <lora:calm:0.750>"


def _post(client: Client, path: str, body: Any, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def _of(*roles: Role, scopes: tuple[str, ...] = ()) -> Client:
    text = accounts.token_text(accounts.user(*roles), *scopes)
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_delivery_is_taken_in_L12(client: Client, receiver: Receiver, user: User) -> None:
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    answer = _post(client, "/deliveries", body)
    assert answer.status_code == 201, answer.content
    assert set(answer.json()) == {"delivery_id"}
    job = DeliveryJob.objects.get()
    assert str(job.uuid) == answer.json()["delivery_id"]
    assert (job.state, job.created_by) == ("pending", user)
    assert delivery_jobs.run(job_id=job.pk)
    assert receiver.got[0].json == {"prompt": PROMPT}


def test_a_delivery_tells_its_status_and_result_L13(client: Client, receiver: Receiver) -> None:
    receiver.statuses = [500]
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    made = _post(client, "/deliveries", body).json()["delivery_id"]
    path = f"/deliveries/{made}"
    first = client.get(path)
    assert first.status_code == 200
    assert first.json()["delivery"] == {
        "id": made,
        "prompt": PROMPT,
        "mode": "http",
        "params": receiver.params,
        "status": "pending",
        "result": None,
        "created_at": first.json()["delivery"]["created_at"],
        "started_at": None,
        "finished_at": None,
    }
    job = DeliveryJob.objects.get()
    delivery_jobs.run(job_id=job.pk)
    told = client.get(path).json()["delivery"]
    assert told["status"] == "retrying"
    assert told["result"]["last_error"] == "The other side answered HTTP 500."
    assert told["result"]["retries_left"] == 3
    DeliveryJob.objects.update(next_try_at=job.created_at)
    delivery_jobs.run(job_id=job.pk)
    told = client.get(path).json()["delivery"]
    assert (told["status"], told["result"]["status"]) == ("succeeded", "ok")
    assert told["result"]["detail"]["status_code"] == 200
    assert told["finished_at"].endswith("Z")


def test_our_own_paths_list_deliveries_and_tries(client: Client, receiver: Receiver) -> None:
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    made = _post(client, "/manager/deliveries", body).json()["delivery_id"]
    delivery_jobs.run(job_id=DeliveryJob.objects.get().pk)
    (line,) = client.get("/api/v1/deliveries").json()["results"]
    assert (line["id"], line["status"], line["attempts_count"]) == (made, "succeeded", 1)
    assert PROMPT not in str(line)
    whole = client.get(f"/api/v1/deliveries/{made}").json()
    assert whole["prompt"] == PROMPT
    (attempt,) = whole["attempts"]
    assert (attempt["number"], attempt["status"], attempt["error"]) == (1, "succeeded", "")


def test_only_who_may_deliver_does_and_nobody_reads_anothers_L28(
    client: Client, receiver: Receiver
) -> None:
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    assert _post(Client(), "/deliveries", body).status_code == 401
    for refused in (
        _of(Role.APPLICATION),
        _of(Role.REVIEWER),
        _of(Role.ML_ENGINEER, scopes=("registry:read",)),
    ):
        assert _post(refused, "/deliveries", body).status_code == 403
    assert not DeliveryJob.objects.exists()
    assert AuditEvent.objects.filter(action="access.refused").count() == 3
    made = _post(client, "/deliveries", body).json()["delivery_id"]
    for path in (f"/deliveries/{made}", f"/api/v1/deliveries/{made}"):
        assert Client().get(path).status_code == 401
        assert _of(Role.APPLICATION).get(path).status_code == 403
        other = _of(Role.ML_ENGINEER).get(path)
        assert other.status_code == 404 and PROMPT not in other.content.decode()
        assert client.get(path).status_code == 200
    assert _of(Role.ML_ENGINEER).get("/api/v1/deliveries").json()["results"] == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"mode": "http", "params": {}}, "prompt"),
        ({"prompt": "x"}, "mode"),
        ({"prompt": "x", "mode": "fax"}, "mode"),
        ({"prompt": "x", "mode": "http", "params": []}, "params"),
        ({"prompt": "x", "mode": "http", "params": {"http": {}}}, "params.host"),
        ({"prompt": ["x"], "mode": "http"}, "prompt"),
    ],
)
def test_a_wrong_body_is_answered_with_400_and_the_place(
    client: Client, receiver: Receiver, body: Any, name: str
) -> None:
    answer = _post(client, "/deliveries", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "invalid_params"} <= set(answer.json())
    assert [row["name"] for row in answer.json()["invalid_params"]] == [name]


def test_a_private_target_is_refused_at_the_door(client: Client, receiver: Receiver) -> None:
    for host in ("10.0.0.8", "169.254.169.254", "[::ffff:10.0.0.8]", "0x0a000008", "::1"):
        params = {"host": host, "port": 80}
        body = {"prompt": PROMPT, "mode": "http", "params": params}
        answer = _post(client, "/deliveries", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "egress-refused"), host
    assert not DeliveryJob.objects.exists()


def test_the_same_key_enqueues_once(client: Client, receiver: Receiver) -> None:
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    key = {"Idempotency-Key": "b9c1"}
    answers = [_post(client, "/deliveries", body, **key).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert DeliveryJob.objects.count() == 1


def test_deliveries_are_limited_in_rate(client: Client, receiver: Receiver, settings: Any) -> None:
    settings.DELIVERY_RATE_PER_MINUTE = 2
    body = {"prompt": PROMPT, "mode": "http", "params": receiver.params}
    statuses = [_post(client, "/deliveries", body).status_code for _ in range(3)]
    assert statuses == [201, 201, 429]


def test_a_text_that_would_grow_without_end_is_refused(client: Client) -> None:
    body = {"prompt": "x" * 90_000, "mode": "cli", "params": {"template": "{prompt}" * 5}}
    assert _post(client, "/deliveries", body).status_code == 201
    body["params"] = {"template": "{prompt}" * 6}
    refused = _post(client, "/deliveries", body)
    assert (refused.status_code, refused.json()["code"]) == (400, "delivery-invalid")
    assert DeliveryJob.objects.count() == 1
