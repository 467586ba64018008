"""Registering and unregistering, through an engine server's routes."""

from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from rest_framework.exceptions import Throttled
from rest_framework.response import Response as RestResponse

from config.core.errors import Conflict
from serving.sagemaker import (
    AdapterNotFound,
    HTTPException,
    Registry,
    Request,
    Response,
    register_load_adapter_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.django_views import run_to_end

from .conftest import GOOD, JSON, SHAPE, Engine, Serve

ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"


def test_a_call_is_translated_there_and_back_and_nothing_else_comes_through_S1_S8(
    registry: Registry, serve: Serve
) -> None:
    engine = Engine({"id": "lora-7", "state": "ready", "secret": "internal"})
    register_load_adapter_handler(
        {"model": "body.name", "source": "body.src"},
        {"adapter_name": "id", "status": "state"},
        registry=registry,
    )(engine)
    sent = {"name": "cardio", "src": "s3://b/a", "preload": True, "pin": True, "other": "x"}
    answer = serve().post("/adapters", sent, content_type=JSON)
    assert engine.calls == [{"model": "cardio", "source": "s3://b/a"}]
    assert (answer.status_code, answer.json()) == (
        200,
        {"adapter_name": "lora-7", "status": "ready"},
    )


def test_registering_checks_loads_and_words_the_answer_S16_S55_S59(
    engine: Engine, serve: Serve
) -> None:
    client = serve()
    answer = client.post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.content) == (200, b"Adapter a registered")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    named = client.post("/adapters", GOOD, JSON, headers={ALIAS: "Nice"})
    assert (named.status_code, named.content) == (200, b"Adapter Nice registered")
    for lacking in ({"name": "a"}, {"src": "s"}):
        assert client.post("/adapters", lacking, JSON).status_code == 400
    assert [call["name"] for call in engine.calls] == ["a", "a"]
    for words, status in (("no such folder", 404), ("x doesn't contain tensors", 424)):
        engine.answer = Response(words, 404)
        failed = client.post("/adapters", GOOD, JSON)
        assert (failed.status_code, failed.content.decode()) == (status, words)


def test_unregistering_takes_the_name_from_the_path_and_no_body_S17_S60(
    engine: Engine, serve: Serve
) -> None:
    client = serve()
    for body in (None, b"{broken", b'{"name": "other"}'):
        answer = client.delete("/adapters/a", body or b"", JSON)
        assert (answer.status_code, answer.content) == (200, b"Adapter a unregistered")
    named = client.delete("/adapters/a", headers={ALIAS: "Nice", IDENTIFIER: "other"})
    assert named.content == b"Adapter Nice unregistered"
    assert engine.calls == [{"name": "a"}] * 4


def test_the_name_in_path_or_body_counts_over_the_headers_S52_S54(
    engine: Engine, serve: Serve
) -> None:
    client = serve()
    other = {IDENTIFIER: "other"}
    answer = client.post("/adapters", GOOD, JSON, headers=other)
    assert answer.content == b"Adapter a registered"
    answer = client.delete("/adapters/b", b'{"name": "other"}', JSON, headers=other)
    assert answer.content == b"Adapter b unregistered"
    assert [call["name"] for call in engine.calls] == ["a", "b"]


def test_a_shape_reads_every_field_of_the_body_as_it_was_sent_S4(
    engine: Engine, serve: Serve
) -> None:
    sent = {**GOOD, "preload": False, "pin": True, "load_inplace": ["of this engine", {"n": 0}]}
    assert serve().post("/adapters", sent, JSON).status_code == 200
    inplace = sent.pop("load_inplace")
    assert engine.calls == [{**sent, "inplace": inplace}]


def test_unregistering_without_its_path_parameter_is_424(registry: Registry) -> None:
    handler = register_unload_adapter_handler({}, registry=registry)(lambda request: None)
    request = Request(headers={IDENTIFIER: "a"})
    with pytest.raises(HTTPException, match="missing path parameter: adapter_name") as caught:
        run_to_end(handler(request))
    assert caught.value.status_code == 424


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Response("created", 201, {"X-Engine": "e"}), 201),
        (HttpResponse("busy", status=503, headers={"X-Engine": "e"}), 503),
        (
            JsonResponse({"error": {"message": "already"}}, status=400, headers={"X-Engine": "e"}),
            400,
        ),
        (HttpResponse(status=204, headers={"X-Engine": "e"}), 204),
        (RestResponse({"error": "already"}, status=409, headers={"X-Engine": "e"}), 409),
    ],
)
def test_an_engines_own_answer_goes_out_unchanged(
    engine: Engine, serve: Serve, answer: Any, status: int
) -> None:
    engine.answer = answer
    client = serve()
    for got in (client.post("/adapters", GOOD, JSON), client.delete("/adapters/a")):
        assert got.status_code == status
        assert got["X-Engine"] == "e"
        body = getattr(answer, "body", None) or getattr(answer, "data", None) or answer.content
        assert got.content == body if isinstance(body, bytes) else got.json() == body


def test_an_adapters_own_fault_is_424_with_the_engines_words_S57(
    engine: Engine, serve: Serve
) -> None:
    client = serve()
    words = "Call failed: LoRA rank 32 is greater than max_lora_rank 16."
    for status in (400, 422, 500):
        engine.answer = Response({"error": {"message": words}}, status, {"X-Engine": "e"})
        answer = client.post("/adapters", GOOD, JSON)
        assert (answer.status_code, answer.json()) == (424, {"error": {"message": words}})
        assert "X-Engine" not in answer
    engine.answer = HTTPException(500, words)
    answer = client.post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.json()) == (424, {"detail": words})
    # Other words, other letters, other operations: as the engine said it.
    engine.answer = Response("rank is Greater Than max_lora_rank", 500)
    assert client.post("/adapters", GOOD, JSON).status_code == 500
    engine.answer = Response(words, 500)
    assert client.delete("/adapters/a").status_code == 500


@pytest.mark.parametrize("status", [400, 500])
def test_weights_without_tensors_are_the_adapters_fault_S62(
    engine: Engine, serve: Serve, status: int
) -> None:
    engine.answer = HttpResponse("/models/a doesn't contain tensors", status=status)
    answer = serve().post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.content) == (424, b"/models/a doesn't contain tensors")


@pytest.mark.parametrize("status", [400, 500])
def test_a_rank_that_is_too_high_is_the_adapters_fault_S63(
    engine: Engine, serve: Serve, status: int
) -> None:
    engine.answer = HttpResponse("rank 64 is greater than max_lora_rank 16", status=status)
    answer = serve().post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.content) == (
        424,
        b"rank 64 is greater than max_lora_rank 16",
    )


def test_what_nobody_foresaw_is_500_and_says_nothing_S58(
    engine: Engine, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    engine.answer = RuntimeError("Erika M. has a fever")
    client = serve()
    for answer in (client.post("/adapters", GOOD, JSON), client.delete("/adapters/a")):
        assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
        assert answer["Content-Type"] == JSON
    ours = [record for record in caplog.records if record.name.startswith("serving.sagemaker")]
    assert [record.getMessage() for record in ours] == [
        "POST /adapters failed with RuntimeError",
        "DELETE /adapters/<str:adapter_name> failed with RuntimeError",
    ]
    assert all(record.exc_info is None for record in ours)
    assert "Erika" not in caplog.text


def test_an_unknown_adapter_is_named_by_its_alias_S61(engine: Engine, serve: Serve) -> None:
    engine.answer = AdapterNotFound("a")
    client = serve()
    answer = client.delete("/adapters/a")
    assert (answer.status_code, answer.json()) == (404, {"detail": "The adapter a was not found"})
    named = client.delete("/adapters/a", headers={ALIAS: "Nice"})
    assert named.json() == {"detail": "The adapter Nice was not found"}


def test_refusals_of_any_kind_keep_their_status(engine: Engine, serve: Serve) -> None:
    client = serve()
    engine.answer = Throttled(detail="slowly")
    answer = client.post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.json()) == (429, {"detail": "slowly"})
    engine.answer = Conflict("It is pinned.", fix="Unpin it.", retry_after_seconds=3)
    answer = client.post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.json()) == (409, {"detail": "It is pinned. Unpin it."})
    assert answer["Retry-After"] == "3"


def test_a_response_shape_takes_the_place_of_the_sentence_S12(
    registry: Registry, serve: Serve
) -> None:
    engine = Engine({"id": "a1", "state": "ready", "lora_rank": 8, "inner": "secret"})
    shape = {"adapter_name": "id", "status": "state", "metadata": {"rank": "lora_rank"}}
    register_load_adapter_handler(SHAPE, shape, registry=registry)(engine)
    register_unload_adapter_handler({"n": "path_params.adapter_name"}, shape, registry=registry)(
        engine
    )
    client = serve()
    expected = {"adapter_name": "a1", "status": "ready", "metadata": {"rank": 8}}
    for answer in (client.post("/adapters", GOOD, JSON), client.delete("/adapters/a")):
        assert (answer.status_code, answer.json()) == (200, expected)
    engine.answer = Response({"id": "a2"}, 202)
    answer = client.post("/adapters", GOOD, JSON)
    assert (answer.status_code, answer.json()["adapter_name"]) == (202, "a2")
    engine.answer = None
    assert client.post("/adapters", GOOD, JSON).json()["adapter_name"] is None
    engine.answer = Response({"error": "no"}, 400)
    assert client.post("/adapters", GOOD, JSON).json() == {"error": "no"}


def test_a_value_of_the_wrong_type_is_a_400_that_repeats_nothing(
    registry: Registry, serve: Serve
) -> None:
    register_load_adapter_handler({"n": "length(body.x)"}, registry=registry)(Engine())
    answer = serve().post("/adapters", {**GOOD, "x": 778899}, JSON)
    assert answer.status_code == 400
    assert "'n'" in answer.json()["detail"]
    assert "778899" not in answer.content.decode()
