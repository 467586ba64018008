"""Canaries: what fails is replaced by stable's answer before the client sees anything."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from serving.domain import answer_ids
from serving.models import Answer
from serving.services.answers import answer_mac
from serving.states import Arm, FailureKind
from tests.factories import gateway as make
from tests.serving.gateway.conftest import FAST

CONTRACT = {"max_tokens": 6, "pattern": "(low|high) [a-z]+", "stop_reasons": ["stop"]}
Serve = Callable[..., Any]


def text_of(response: httpx.Response) -> str:
    if not response.headers["content-type"].startswith("text/event-stream"):
        return str(response.json()["choices"][0]["message"]["content"])
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ({"default": "high fever and more"}, FailureKind.CONTRACT_BROKEN),
        ({"default": "high and much much much much much more"}, FailureKind.CONTRACT_BROKEN),
        ({"fail": "empty"}, FailureKind.EMPTY),
        ({"fail": "start"}, FailureKind.ERROR),
        ({"default": "high ward", "fail": "cut"}, FailureKind.ERROR),
        ({"default": "high ward", "token_latency_ms": 60_000}, FailureKind.TIMEOUT),
    ],
)
def test_a_broken_canary_answer_is_replaced(
    world: Any, serve: Serve, stream: bool, script: dict[str, Any], failure: FailureKind
) -> None:
    stable, canary = world.version(default="low ward"), world.version(**script)
    deployment = world.deployment(stable, contract=CONTRACT)
    rollout = make.rollout(deployment, canary, weight_percent=100, stage=2)
    # Who is held back for long enough fails by what he says, however slowly he says it.
    held_back = 0.5 if failure is FailureKind.TIMEOUT else 30.0
    caller = serve(replace(FAST, held_back_seconds=held_back))
    response = caller.chat(deployment.public_name, stream=stream)
    assert response.status_code == 200
    assert text_of(response) == "low ward"
    assert response.headers["X-Formulary-Version"] == stable.runtime_name
    replaced, given = Answer.objects.order_by("pk")
    assert (replaced.arm, replaced.failure, replaced.was_replaced) == (Arm.CANARY, failure, True)
    assert (replaced.rollout_id, replaced.stage, replaced.digest) == (rollout.pk, 2, canary.digest)
    assert (given.arm, given.failure, given.was_replaced) == (Arm.STABLE, "", False)
    assert given.replaces_answer_id == replaced.answer_id
    assert given.answer_id == response.headers["X-Formulary-Answer"]
    # Stable's answer in a canary's place is no control: a failure chose it, not chance.
    assert given.rollout_id is None
    decoded = answer_ids.decode(replaced.answer_id, mac=answer_mac)
    assert (decoded.deployment_pk, decoded.rollout_pk) == (deployment.pk, rollout.pk)
    assert (decoded.arm, decoded.stage, decoded.version_pk) == (Arm.CANARY, 2, canary.pk)


@pytest.mark.parametrize("stream", [False, True])
def test_a_sound_canary_answer_is_given_under_its_own_name(
    world: Any, serve: Serve, stream: bool
) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"), contract=CONTRACT)
    rollout = make.rollout(deployment, canary, weight_percent=100)
    response = serve().chat(deployment.public_name, stream=stream)
    assert text_of(response) == "high ward"
    assert response.headers["X-Formulary-Version"] == canary.runtime_name
    row = Answer.objects.get()
    assert (row.arm, row.failure, row.rollout_id) == (Arm.CANARY, "", rollout.pk)
    assert not row.was_replaced


def test_a_canary_that_its_node_has_stopped_is_replaced(world: Any, serve: Serve) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"))
    make.rollout(deployment, canary, weight_percent=100)
    caller = serve()
    world.node.stop(canary.digest, epoch=1)
    assert text_of(caller.chat(deployment.public_name, stream=True)) == "low ward"
    assert Answer.objects.get(arm=Arm.CANARY).failure == FailureKind.STOPPED


def test_a_stopped_canary_is_not_asked(world: Any, serve: Serve) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"))
    make.rollout(deployment, canary, weight_percent=100)
    make.stop(canary.digest)
    assert text_of(serve().chat(deployment.public_name)) == "low ward"
    row = Answer.objects.get()
    assert (row.arm, row.rollout_id) == (Arm.STABLE, None)


def test_without_a_contract_a_canary_streams_and_falls_back_before_its_first_token(
    world: Any, serve: Serve
) -> None:
    canary = world.version(fail="start")
    deployment = world.deployment(world.version(default="low ward"))
    make.rollout(deployment, canary, weight_percent=100)
    response = serve().chat(deployment.public_name, stream=True)
    assert text_of(response) == "low ward"
    assert Answer.objects.filter(arm=Arm.CANARY, was_replaced=True).count() == 1


@pytest.mark.parametrize("arm", Arm)
def test_a_cut_stream_is_withdrawn(world: Any, serve: Serve, arm: Arm) -> None:
    cut = world.version(default="one two three", fail="cut", token_latency_ms=50)
    if arm is Arm.CANARY:
        deployment = world.deployment(world.version(default="low ward"))
        make.rollout(deployment, cut, weight_percent=100)
    else:
        deployment = world.deployment(cut)
    response = serve().chat(deployment.public_name, stream=True)
    assert response.status_code == 200
    *_, last = response.text.removesuffix("\n\n").split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "withdrawn"
    assert "do not use" in error["message"]
    assert "[DONE]" not in response.text
    row = Answer.objects.get()
    assert (row.arm, row.failure, row.was_replaced) == (arm, FailureKind.ERROR, False)


@pytest.mark.parametrize("stream", [False, True])
def test_stable_is_given_as_it_is_and_its_failure_recorded(
    world: Any, serve: Serve, stream: bool
) -> None:
    deployment = world.deployment(world.version(default="no such form"), contract=CONTRACT)
    response = serve().chat(deployment.public_name, stream=stream)
    assert text_of(response) == "no such form"
    assert Answer.objects.get().failure == FailureKind.CONTRACT_BROKEN


def test_the_contract_caps_the_request(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="a b c d e f"), contract={"max_tokens": 2})
    response = serve().chat(deployment.public_name)
    assert text_of(response) == "a b"
    assert response.json()["choices"][0]["finish_reason"] == "length"


def test_when_stable_fails_too_the_client_is_told_and_both_are_recorded(
    world: Any, serve: Serve
) -> None:
    deployment = world.deployment(world.version(fail="start"))
    make.rollout(deployment, world.version(fail="start"), weight_percent=100)
    response = serve().chat(deployment.public_name)
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    rows = {row.arm: row for row in make.until(lambda: _rows(2))}
    assert rows[Arm.CANARY].failure == rows[Arm.STABLE].failure == FailureKind.ERROR
    assert not rows[Arm.CANARY].was_replaced


def test_a_first_revision_has_nothing_to_fall_back_on(world: Any, serve: Serve) -> None:
    deployment = world.deployment(None, contract=CONTRACT)
    make.rollout(deployment, world.version(default="not in form"), weight_percent=100)
    response = serve().chat(deployment.public_name)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "answer_lost"
    row = Answer.objects.get()
    assert (row.failure, row.was_replaced) == (FailureKind.CONTRACT_BROKEN, False)


def test_both_arms_share_the_traffic_as_evidence(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="low ward"))
    rollout = make.rollout(deployment, world.version(default="high ward"), weight_percent=50)
    caller = serve()
    texts = [text_of(caller.chat(deployment.public_name)) for _ in range(40)]
    rows = Answer.objects.filter(rollout=rollout, stage=1)
    assert rows.count() == 40
    assert rows.filter(arm=Arm.CANARY).count() == texts.count("high ward")
    assert 5 <= texts.count("high ward") <= 35  # beyond it: less than one run in a million


def test_a_unit_stays_on_its_side_where_the_policy_says_so(world: Any, serve: Serve) -> None:
    policy = {"routing_unit": "unit"}
    deployment = world.deployment(world.version(default="low ward"), policy=policy)
    make.rollout(deployment, world.version(default="high ward"), weight_percent=50)
    free = world.deployment(world.version(default="low ward"))
    make.rollout(free, world.version(default="high ward"), weight_percent=50)
    caller = serve()
    sides = {
        unit: {text_of(caller.chat(deployment.public_name, unit=unit)) for _ in range(3)}
        for unit in (f"patient {number}" for number in range(24))
    }
    assert all(len(side) == 1 for side in sides.values())
    assert len(set().union(*sides.values())) == 2  # else: less than one run in a million
    units = set(Answer.objects.values_list("unit", flat=True))
    assert len(units) == 24 and all(len(unit) == 64 for unit in units)
    Answer.objects.all().delete()
    spread = {text_of(caller.chat(free.public_name, unit="one")) for _ in range(30)}
    assert len(spread) == 2
    assert set(Answer.objects.values_list("unit", flat=True)) == {""}


def _rows(count: int) -> list[Answer]:
    rows = list(Answer.objects.all())
    return rows if len(rows) == count else []
