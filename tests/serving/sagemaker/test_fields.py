"""The fields of a registration: what is read, and what is refused with a list of faults."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.sagemaker import (
    FieldsInvalid,
    RegisterLoRAApiTransform,
    Request,
    RequestInvalid,
)
from serving.sagemaker.django_views import run_to_end
from serving.sagemaker.validation import read_register_request

from .conftest import GOOD, JSON, SHAPE, Engine, Serve


def faults(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 400
    assert answer["Content-Type"] == JSON
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    return json.loads(detail)


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
