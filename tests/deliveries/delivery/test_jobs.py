"""Delivery jobs: tried, tried again after 1, 2 and 4 seconds, ended, taken over."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings

from compliance.models import AuditEvent
from config.core import clock
from config.core.actors import Actor
from config.core.egress import EgressRefused
from deliveries.errors import DeliveryInvalid
from deliveries.models import DeliveryJob
from deliveries.selectors.deliveries import overdue_ids, texts
from deliveries.services import delivery_jobs, delivery_records
from deliveries.states import AttemptState, DeliveryState
from tests.deliveries.delivery.receiver import Receiver

pytestmark = pytest.mark.django_db
PROMPT = "<lora:calm:0.750> Ms Example, room 12"
SECRET_WORDS = "Ms Example"


@contextmanager
def later(seconds: float) -> Iterator[None]:
    with clock.frozen_at(clock.now() + timedelta(seconds=seconds)):
        yield


def fresh(job: DeliveryJob) -> DeliveryJob:
    return DeliveryJob.objects.get(pk=job.pk)


def result(job: DeliveryJob) -> Any:
    return texts(fresh(job)).result


def run_when_due(job: DeliveryJob) -> DeliveryJob:
    """Try the job at the moment when it is due."""
    with clock.frozen_at(fresh(job).next_try_at):
        assert delivery_jobs.run(job_id=job.pk)
    return fresh(job)


def test_a_delivery_has_a_state_and_a_result_L16(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    assert (fresh(job).state, result(job)) == (DeliveryState.PENDING, None)
    done = run_when_due(job)
    assert done.state == DeliveryState.SUCCEEDED
    assert done.finished_at and done.started_at and done.latency_ms is not None
    assert result(job) == {
        "status": "ok",
        "detail": {"status_code": 200, "body": '{"ok": true}'},
    }
    (got,) = receiver.got
    assert (got.path, got.json) == ("/prompts", {"prompt": PROMPT})
    assert got.key == f"delivery-{job.uuid}"


def test_flat_parameters_and_metadata_mean_the_same(actor: Actor, receiver: Receiver) -> None:
    params = {"host": "127.0.0.1", "port": receiver.port, "metadata": {"set": "demo"}}
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    assert run_when_due(job).state == DeliveryState.SUCCEEDED
    assert receiver.got[0].path == "/"
    assert receiver.got[0].json == {"prompt": PROMPT, "metadata": {"set": "demo"}}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Nobody listens there, and nobody else can: it is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_refused_connection_is_tried_after_1_2_and_4_seconds_and_fails(
    actor: Actor, settings: Any, silent_port: int
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1"]
    params = {"host": "127.0.0.1", "port": silent_port}
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    pauses = []
    for left in (3, 2, 1):
        moment = fresh(job).next_try_at
        with clock.frozen_at(moment):
            assert delivery_jobs.run(job_id=job.pk)
            row = fresh(job)
            assert row.state == DeliveryState.RETRYING
            told = result(job)
            assert told["retries_left"] == left
            assert "refused the connection" in told["last_error"]
            pauses.append((row.next_try_at - moment).total_seconds())
            assert not delivery_jobs.run(job_id=job.pk), "not before its time"
    assert pauses == [1, 2, 4]
    run_when_due(job)
    row = fresh(job)
    assert row.state == DeliveryState.FAILED and row.finished_at
    assert result(job)["status"] == "error" and result(job)["retries_left"] == 0
    assert [a.state for a in row.attempts.all()] == [AttemptState.FAILED] * 4
    with later(3600):
        assert not delivery_jobs.run(job_id=job.pk)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_error_status_is_never_a_success(actor: Actor, receiver: Receiver, status: int) -> None:
    receiver.statuses = [status] * 4
    receiver.headers = {"Location": f"{receiver.url}/elsewhere"}
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    for _ in range(4):
        row = run_when_due(job)
    assert row.state == DeliveryState.FAILED
    assert result(job)["detail"]["status_code"] == status
    assert {got.path for got in receiver.got} == {"/prompts"}, "no redirect is followed"
    assert len({got.key for got in receiver.got}) == 1 and len(receiver.got) == 4
    assert receiver.delivered == {}


def test_a_passing_failure_ends_well(actor: Actor, receiver: Receiver) -> None:
    receiver.statuses = [503, 503]
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    assert [run_when_due(job).state for _ in range(3)] == ["retrying", "retrying", "succeeded"]
    states = [attempt.state for attempt in fresh(job).attempts.all()]
    assert states == [AttemptState.FAILED, AttemptState.FAILED, AttemptState.SUCCEEDED]
    assert fresh(job).last_error == ""


def test_a_private_target_is_refused_at_the_door_and_at_the_call(
    actor: Actor, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.1", "partner.example"]
    for host in ("10.0.0.8", "169.254.169.254", "192.168.1.1", "::1", "2130706433"):
        with pytest.raises(EgressRefused):
            delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params={"host": host})
    params = {"host": "127.0.0.1", "port": 9}
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    settings.EGRESS_ALLOW = []
    assert run_when_due(job).state == DeliveryState.FAILED, "trying again can't help"
    assert fresh(job).attempts_count == 1


def test_what_a_silent_worker_left_is_taken_over(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    first = delivery_records.begin(job_id=job.pk)
    assert first is not None
    assert delivery_jobs.requeue_silent() == 0
    with later(django_settings.WORK_TAKE_OVER_SECONDS + 1):
        assert delivery_jobs.requeue_silent() == 1
        assert delivery_jobs.run(job_id=job.pk)
    assert not delivery_records.succeed(first, {"late": True}), "it is not his any more"
    assert result(job)["detail"]["status_code"] == 200
    states = [attempt.state for attempt in fresh(job).attempts.all()]
    assert states == [AttemptState.LOST, AttemptState.SUCCEEDED]


def test_a_job_that_kills_its_workers_is_given_up(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    moment = clock.now()
    for _ in range(delivery_records.POLICY.most_lost):
        moment += timedelta(seconds=django_settings.WORK_TAKE_OVER_SECONDS + 1)
        with clock.frozen_at(moment):
            assert delivery_records.begin(job_id=job.pk)
        moment += timedelta(seconds=django_settings.WORK_TAKE_OVER_SECONDS + 1)
        with clock.frozen_at(moment):
            assert delivery_jobs.requeue_silent() == 1
    assert fresh(job).state == DeliveryState.FAILED


def test_two_workers_take_a_job_once(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    assert delivery_records.begin(job_id=job.pk) is not None
    assert delivery_records.begin(job_id=job.pk) is None


def test_the_sweep_finds_what_is_overdue(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    assert overdue_ids() == []
    with later(10):
        assert overdue_ids() == [job.pk]


def test_each_move_of_a_delivery_is_in_the_audit_trail_L71(
    actor: Actor, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    params = receiver.params
    good = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    run_when_due(good)
    run_when_due(good)
    assert _acts(good) == [
        "delivery.enqueued", "delivery.started", "delivery.retrying", "delivery.started",
        "delivery.completed",
    ]  # fmt: skip
    receiver.statuses = [500] * 4
    bad = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    for _ in range(4):
        run_when_due(bad)
    assert _acts(bad)[0] == "delivery.enqueued" and _acts(bad)[-1] == "delivery.failed"
    first = AuditEvent.objects.get(object_id=str(good.uuid), action="delivery.enqueued")
    assert first.actor_name == actor.name


def _acts(job: DeliveryJob) -> list[str]:
    events = AuditEvent.objects.filter(object_type="delivery", object_id=str(job.uuid))
    return list(events.order_by("pk").values_list("action", flat=True))


def test_no_text_of_a_delivery_stands_open_anywhere(
    actor: Actor, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.answer = PROMPT.encode()
    params = {**receiver.params["http"], "path": f"/{SECRET_WORDS.replace(' ', '_')}"}
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=params)
    row = run_when_due(job)
    assert row.state == DeliveryState.SUCCEEDED
    said = " ".join(AuditEvent.objects.values_list("body", flat=True))
    stored = " ".join(str(value) for value in DeliveryJob.objects.values().get(pk=job.pk).values())
    shown = "".join(capfd.readouterr())
    for text in (said, stored, shown, repr(texts(row))):
        assert SECRET_WORDS not in text and "Ms_Example" not in text


def test_texts_are_removed_when_their_time_is_over(actor: Actor, receiver: Receiver) -> None:
    job = delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode="http", params=receiver.params)
    run_when_due(job)
    assert delivery_jobs.forget_texts() == 0
    with later(31 * 24 * 3600):
        assert delivery_jobs.forget_texts() == 1
        assert delivery_jobs.forget_texts() == 0
    held = texts(fresh(job))
    assert (held.prompt, held.params, held.result) == ("", {}, None)


@pytest.mark.parametrize(
    ("mode", "params"),
    [
        ("carrier-pigeon", {}),
        ("http", {}),
        ("http", {"host": "a.example", "port": "80x"}),
        ("http", {"host": "a.example", "port": 0}),
        ("http", {"host": "a.example/x"}),
        ("http", {"host": "a.example", "path": "x"}),
        ("http", {"host": "a.example", "follow_redirects": True}),
        ("http", {"host": "a.example", "http": {"host": "b.example"}}),
        ("http", {"http": "a.example"}),
        ("http", {"host": "a.example", "mode": "cli"}),
        ("cli", {"template": "rm -rf /"}),
        ("cli", {"command": "unknown"}),
        ("s3", {}),
        ("s3", {"bucket": "mine"}),
        ("webhook", {"endpoint": "x"}),
        ("webhook", {"endpoint": "00000000-0000-4000-8000-000000000000"}),
    ],
)
def test_what_can_t_be_done_is_refused(
    actor: Actor, settings: Any, mode: str, params: dict[str, Any]
) -> None:
    settings.EGRESS_ALLOW = [".example"]
    with pytest.raises(DeliveryInvalid):
        delivery_jobs.enqueue(actor=actor, prompt=PROMPT, mode=mode, params=params)
    assert not DeliveryJob.objects.exists()
