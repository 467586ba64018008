"""Registering and unregistering, through an engine server's routes."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import Throttled
from rest_framework.response import Response as RestResponse

from config.core.errors import Conflict
from serving.sagemaker import (
    AdapterNotFound,
    FieldsInvalid,
    HTTPException,
    RegisterLoRAApiTransform,
    Registry,
    Request,
    RequestInvalid,
    Response,
    register_load_adapter_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.django_views import run_to_end
from serving.sagemaker.validation import read_register_request

from .conftest import JSON, Serve

ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
GOOD = {"name": "a", "src": "s3://b/a"}
SHAPE = {
    "name": "body.name",
    "src": "body.src",
    "preload": "body.preload",
    "pin": "body.pin",
    "inplace": "body.load_inplace",
}


class Engine:
    """Keeps what it was called with, and answers as it is told."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []

    def __call__(self, data: SimpleNamespace, request: Request) -> Any:
        self.calls.append(vars(data))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def engine(registry: Registry) -> Engine:
    made = Engine()
    register_load_adapter_handler(SHAPE, registry=registry)(made)
    register_unload_adapter_handler({"name": "path_params.adapter_name"}, registry=registry)(made)
    return made


def faults(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 400
    assert answer["Content-Type"] == JSON
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    return json.loads(detail)


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


def test_unregistering_without_its_path_parameter_is_424(registry: Registry) -> None:
    handler = register_unload_adapter_handler({}, registry=registry)(lambda request: None)
    request = Request(headers={IDENTIFIER: "a"})
    with pytest.raises(HTTPException, match="missing path parameter: adapter_name") as caught:
        run_to_end(handler(request))
    assert caught.value.status_code == 424


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"src": "s"}, "missing", "Field required"),
        ({"name": "", "src": "s"}, "value_error", "name cannot be an empty string"),
        ({"name": "  ", "src": "s"}, "value_error", "name cannot be an empty string"),
        ({"name": 5, "src": "s"}, "string_type", "valid string"),
        ({"name": None, "src": "s"}, "string_type", "valid string"),
        ({"name": "a/b", "src": "s"}, "value_error", "letters, digits"),
        ({"name": "..", "src": "s"}, "value_error", "letters, digits"),
        ({"name": "x" * 64, "src": "s"}, "value_error", "1 to 63"),
        ({"name": "a\n", "src": "s"}, "value_error", "letters, digits"),
        (
            {"name": "0A2F3C44-0000-4000-8000-1234567890ab", "src": "s"},
            "value_error",
            "shape of a UUID",
        ),
        ({"name": "0a2f3c44000040008000123456789abc", "src": "s"}, "value_error", "UUID"),
    ],
)
def test_a_name_is_required_and_fit_for_a_path_S48(
    engine: Engine, serve: Serve, body: dict[str, Any], kind: str, words: str
) -> None:
    (fault,) = faults(serve().post("/adapters", body, JSON))
    assert (fault["type"], fault["loc"]) == (kind, ["name"])
    assert words in fault["msg"]
    assert set(fault) == {"type", "loc", "msg"}
    assert engine.calls == []
    assert serve().post("/adapters", {"name": "x" * 63, "src": "s"}, JSON).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"name": "a"}, "missing", "Field required"),
        ({"name": "a", "src": ""}, "value_error", "src cannot be an empty string"),
        ({"name": "a", "src": " \t"}, "value_error", "src cannot be an empty string"),
        ({"name": "a", "src": ["s"]}, "string_type", "valid string"),
        ({"name": "a", "src": "s3://a\u0000"}, "value_error", "control characters"),
        ({"name": "a", "src": "s3://\ud800"}, "value_error", "control characters"),
    ],
)
def test_a_source_is_required_and_not_empty_S49(
    engine: Engine, serve: Serve, body: dict[str, Any], kind: str, words: str
) -> None:
    (fault,) = faults(serve().post("/adapters", json.dumps(body), JSON))
    assert (fault["type"], fault["loc"]) == (kind, ["src"])
    assert words in fault["msg"]
    assert engine.calls == []


def _flag(engine: Engine, serve: Serve, field: str, value: Any) -> Any:
    answer = serve().post("/adapters", {**GOOD, field: value}, JSON)
    return engine.calls[-1][field] if answer.status_code == 200 else faults(answer)[0]


READABLE = [(True, True), (False, False), ("no", False), ("TRUE", True), ("1", True), (0, False)]
UNREADABLE = [
    (None, "bool_type"),
    ([], "bool_type"),
    ("maybe", "bool_parsing"),
    (2, "bool_parsing"),
    (10**400, "bool_parsing"),
]


def test_preload_is_understood_S50(engine: Engine, serve: Serve) -> None:
    serve().post("/adapters", GOOD, JSON)
    assert engine.calls[-1]["preload"] is True
    for value, expected in READABLE:
        assert _flag(engine, serve, "preload", value) is expected
    for value, kind in UNREADABLE:
        fault = _flag(engine, serve, "preload", value)
        assert (fault["type"], fault["loc"]) == (kind, ["preload"])


def test_pin_is_understood_S51(engine: Engine, serve: Serve) -> None:
    serve().post("/adapters", GOOD, JSON)
    assert engine.calls[-1]["pin"] is False
    for value, expected in READABLE:
        assert _flag(engine, serve, "pin", value) is expected
    for value, kind in UNREADABLE:
        fault = _flag(engine, serve, "pin", value)
        assert (fault["type"], fault["loc"]) == (kind, ["pin"])


def test_all_faults_come_at_once_and_repeat_nothing_S56(engine: Engine, serve: Serve) -> None:
    client = serve()
    sent = {"name": ["Erika M."], "src": 5, "preload": "perhaps Erika", "pin": None}
    answer = client.post("/adapters", sent, JSON)
    assert [fault["loc"] for fault in faults(answer)] == [["name"], ["src"], ["preload"], ["pin"]]
    assert "Erika" not in answer.content.decode()
    for body in (b"", b"{broken", b"\xff\xfe\xfd", b"[" * 100_000, b'{"name": NaN}'):
        assert [fault["loc"] for fault in faults(client.post("/adapters", body, JSON))] == [
            ["name"],
            ["src"],
        ]
    for body in (b"[]", b"5", b"null", b'"text"'):
        (fault,) = faults(client.post("/adapters", body, JSON))
        assert (fault["type"], fault["loc"]) == ("model_type", [])
    assert engine.calls == []


def test_without_a_body_the_query_is_read(engine: Engine, serve: Serve) -> None:
    client = serve()
    answer = client.post("/adapters?name=q&src=s&preload=no&load_inplace=x")
    assert answer.content == b"Adapter q registered"
    assert engine.calls == [
        {"name": "q", "src": "s", "preload": False, "pin": False, "inplace": "x"}
    ]
    # A body that can be read wins, whole.
    assert len(faults(client.post("/adapters?name=q&src=s", b"{}", JSON))) == 2
    assert client.post("/adapters?name=q&src=s", b"{broken", JSON).status_code == 200


def test_other_fields_reach_the_engine_as_sent_and_only_where_named(
    engine: Engine, serve: Serve
) -> None:
    sent = {**GOOD, "pin": "yes", "load_inplace": {"x": [1]}, "file_path": "/etc"}
    assert serve().post("/adapters", sent, JSON).status_code == 200
    assert engine.calls == [{**GOOD, "preload": True, "pin": True, "inplace": {"x": [1]}}]


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


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
fields = st.fixed_dictionaries(
    {}, optional={"name": anything, "src": anything, "preload": anything, "pin": anything}
)


@settings(max_examples=40)
@given(anything | fields)
def test_any_value_is_read_or_refused_with_a_list_of_faults(data: Any) -> None:
    try:
        read = read_register_request(data)
    except FieldsInvalid as error:
        listed = json.loads(error.detail)
        assert listed
        assert all(set(item) == {"type", "loc", "msg"} for item in listed)
    else:
        assert 0 < len(read.name) < 64
        assert read.src.strip()
        assert {type(read.preload), type(read.pin)} == {bool}


@settings(max_examples=40)
@given(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_registered_or_refused(body: bytes) -> None:
    transform = RegisterLoRAApiTransform(SHAPE)
    try:
        output = run_to_end(transform.transform_request(Request(body=body)))
    except RequestInvalid:
        return
    assert set(output.request or {}) == set(SHAPE)
