"""``POST /v1/feedback`` over HTTP."""

from collections.abc import Callable
from typing import Any

import httpx

from config.core import keys
from serving.models import Answer, Feedback
from tests.factories import gateway as make

Serve = Callable[..., Any]


def report(caller: Any, answer_id: Any, verdict: Any = "bad", **more: Any) -> httpx.Response:
    response: httpx.Response = caller.http.post(
        "/v1/feedback", json={"answer_id": answer_id, "verdict": verdict, **more}
    )
    return response


def test_the_first_verdict_counts(world: Any, serve: Serve) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"))
    rollout = make.rollout(deployment, canary, weight_percent=100, stage=3)
    caller = serve()
    answer_id = caller.chat(deployment.public_name).headers["X-Formulary-Answer"]
    first = report(caller, answer_id, category="wrong department", text="it is not the ward")
    assert first.json() == {"answer_id": answer_id, "verdict": "bad", "counted": True}
    again = report(caller, answer_id, "good")
    assert (again.status_code, again.json()["counted"]) == (200, False)
    assert again.json()["verdict"] == "bad"
    row = Feedback.objects.get()
    assert (row.rollout_id, row.arm, row.stage) == (rollout.pk, "canary", 3)
    assert (row.digest, row.is_bad, row.category) == (canary.digest, True, "wrong department")
    assert b"ward" not in bytes(row.text_encrypted)
    assert keys.decrypt(row.text_encrypted) == "it is not the ward"


def test_a_lost_row_is_still_attributed(world: Any, serve: Serve) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"))
    rollout = make.rollout(deployment, canary, weight_percent=100, stage=2)
    base = world.deployment(is_base=True)
    caller = serve()
    answer_id = caller.chat(deployment.public_name).headers["X-Formulary-Answer"]
    base_id = caller.chat(base.public_name).headers["X-Formulary-Answer"]
    Answer.objects.all().delete()
    assert report(caller, answer_id).json()["counted"]
    row = Feedback.objects.get()
    assert (row.deployment_id, row.rollout_id, row.stage) == (deployment.pk, rollout.pk, 2)
    assert (row.arm, row.digest) == ("canary", canary.digest)
    assert report(caller, base_id, "good").json()["counted"]
    assert Feedback.objects.get(answer_id=base_id).digest == world.base.digest


def test_only_answers_that_were_given_can_be_reported(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="low ward"))
    make.rollout(deployment, world.version(fail="start"), weight_percent=100)
    caller = serve()
    answer_id = caller.chat(deployment.public_name).headers["X-Formulary-Answer"]
    replaced = Answer.objects.get(was_replaced=True).answer_id
    forged = answer_id[:-1] + ("A" if answer_id[-1] != "A" else "Q")
    for unknown in (forged, replaced, "ans_", "chatcmpl-1", answer_id + "A"):
        response = report(caller, unknown)
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "answer_unknown"
    assert not Feedback.objects.exists()


def test_feedback_is_parsed_and_needs_its_scope(world: Any, serve: Serve) -> None:
    caller = serve()
    for values, param in [
        ({"verdict": "meh"}, "verdict"),
        ({"verdict": ["bad"]}, "verdict"),
        ({"answer_id": 7}, "answer_id"),
        ({"answer_id": ""}, "answer_id"),
        ({"category": "x" * 61}, "category"),
        ({"text": "x" * 4001}, "text"),
        ({"text": "\0"}, "text"),
    ]:
        response = report(caller, **{"answer_id": "ans_x", **values})
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert report(caller, "ans_x", stars=5).status_code == 400
    caller.http.headers["Authorization"] = f"Bearer {make.token('inference')}"
    assert report(caller, "ans_x").status_code == 401
