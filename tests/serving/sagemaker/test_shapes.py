"""The transform engine: what an expression finds, and what becomes of it."""

import json
import logging
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.sagemaker.requests import Request
from serving.sagemaker.responses import Response
from serving.sagemaker.shapes import compile_shape, shape_request, shape_response

REQUEST = Request(
    headers={"X-Amzn-SageMaker-Adapter-Identifier": "cardio", "Accept": "text/plain"},
    query_params={"tenant": "north", "count": "3"},
    path_params={"adapter_name": "from-path"},
)
BODY = {"name": "my-lora-adapter", "src": "s3://bucket/adapter", "preload": True, "pin": False}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def shaped(shape: dict[str, Any], body: Any = None, request: Request = REQUEST) -> dict[str, Any]:
    return shape_request(compile_shape(shape), BODY if body is None else body, request)


def answered(shape: dict[str, Any], response: Response) -> dict[str, Any]:
    return shape_response(compile_shape(shape, name="response_shape"), response)


def test_jmespath_is_the_language_with_all_that_it_can_S2() -> None:
    body = {"files": [{"n": "a", "s": 3}, {"n": "b", "s": 9}], "empty": ""}
    assert shaped(
        {
            "first": "body.files[0].n",
            "all": "body.files[*].n",
            "large": "body.files[?s > `5`].n | [0]",
            "sum": "sum(body.files[].s)",
            "default": "body.empty || 'none'",
            "many": "body.{x: files[1].n, y: empty}",
            "literal": "`7`",
        },
        body,
    ) == {
        "first": "a",
        "all": ["a", "b"],
        "large": "b",
        "sum": 12,
        "default": "none",
        "many": {"x": "b", "y": ""},
        "literal": 7,
    }


def test_a_request_shape_maps_engine_fields_to_expressions_S3() -> None:
    assert shaped({"model": "body.name", "source": "body.src"}) == {
        "model": "my-lora-adapter",
        "source": "s3://bucket/adapter",
    }


def test_expressions_read_the_body_S4() -> None:
    body = {"a": {"b": [1, {"c": False}]}, "zero": 0}
    assert shaped({"deep": "body.a.b[1].c", "zero": "body.zero", "no": "body.a.x.y"}, body) == {
        "deep": False,
        "zero": 0,
        "no": None,
    }


@pytest.mark.parametrize(
    "expression",
    [
        "headers.X-Amzn-SageMaker-Adapter-Identifier",
        'headers."X-Amzn-SageMaker-Adapter-Identifier"',
        'headers."x-amzn-sagemaker-adapter-identifier"',
        "headers.x-amzn-sagemaker-adapter-identifier",
        "body.missing || headers.X-Amzn-SageMaker-Adapter-Identifier",
        "[headers.X-Amzn-SageMaker-Adapter-Identifier][0]",
    ],
)
def test_expressions_read_headers_with_hyphens_quoted_or_not_S5(expression: str) -> None:
    assert shaped({"id": expression}) == {"id": "cardio"}
    assert shaped({"accept": "headers.accept", "no": "headers.X-Other"}) == {
        "accept": "text/plain",
        "no": None,
    }


def test_hyphens_in_texts_and_quoted_names_are_left_alone() -> None:
    body = {"headers.X-A": 1}
    assert shaped({"t": "'headers.X-A'", "q": 'body."headers.X-A"'}, body) == {
        "t": "headers.X-A",
        "q": 1,
    }
    with pytest.raises(ValueError, match="Invalid JMESPath in 'x'"):
        compile_shape({"x": "body.a-b"})


def test_all_headers_at_once_are_a_plain_mapping() -> None:
    found = shaped({"all": "headers"})["all"]
    assert type(found) is dict
    assert found["x-amzn-sagemaker-adapter-identifier"] == "cardio"


def test_expressions_read_path_parameters_S6() -> None:
    assert shaped({"n": "path_params.adapter_name", "no": "path_params.other"}) == {
        "n": "from-path",
        "no": None,
    }


def test_expressions_read_query_parameters_as_text_S7() -> None:
    assert shaped({"t": "query_params.tenant", "c": "query_params.count"}) == {
        "t": "north",
        "c": "3",
    }


def test_only_named_fields_come_out() -> None:
    assert set(shaped({"model": "body.name", "source": "body.src"})) == {"model", "source"}


def test_a_response_shape_maps_outward_fields_S9() -> None:
    engine = Response({"id": "a1", "state": "ready", "secret": 1})
    assert answered({"adapter_name": "id", "status": "state"}, engine) == {
        "adapter_name": "a1",
        "status": "ready",
    }


def test_request_shapes_nest_S10() -> None:
    assert shaped(
        {
            "adapter": {"name": "body.name", "path": "body.src"},
            "config": {
                "preload": "body.preload",
                "pin": "body.pin",
                "deep": {"t": "headers.accept"},
            },
        }
    ) == {
        "adapter": {"name": "my-lora-adapter", "path": "s3://bucket/adapter"},
        "config": {"preload": True, "pin": False, "deep": {"t": "text/plain"}},
    }


def test_response_shapes_nest_S11() -> None:
    engine = Response({"id": "a1", "lora_rank": 8, "lora_alpha": 16})
    assert answered(
        {"adapter_name": "id", "metadata": {"rank": "lora_rank", "alpha": "lora_alpha"}}, engine
    ) == {"adapter_name": "a1", "metadata": {"rank": 8, "alpha": 16}}


def test_response_expressions_may_name_body_headers_and_status() -> None:
    engine = Response({"id": 1, "headers": {"x": 2}, "status_code": 3}, 201, {"X-Trace": "t"})
    assert answered(
        {
            "id": "body.id",
            "trace": "headers.X-Trace",
            "code": "status_code",
            "own": "body.status_code",
            "unrooted": "id",
            "either": "missing || status_code",
            "kind": "type(body.id)",
        },
        engine,
    ) == {
        "id": 1,
        "trace": "t",
        "code": 201,
        "own": 3,
        "unrooted": 1,
        "either": 3,
        "kind": "number",
    }
    assert answered({"none": "headers.X-Other", "x": "headers.x"}, engine) == {
        "none": None,
        "x": None,
    }
    assert answered({"code": "missing || status_code"}, Response({})) == {"code": 200}


@pytest.mark.parametrize(
    ("content", "expected"), [([5, 6], 6), ("plain", None), (b"", None), (b"\xff", None)]
)
def test_an_answer_that_is_no_object_can_be_shaped_too(content: Any, expected: Any) -> None:
    assert answered({"second": "[1]"}, Response(content)) == {"second": expected}


def test_leaves_that_are_no_expressions_are_left_out_with_a_warning_S35(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = shaped({"a": "body.name", "n": 5, "in": {"list": ["x"], "flag": True}})
    assert found == {"a": "my-lora-adapter", "in": {}}
    assert [record.getMessage() for record in caplog.records] == [
        "request_shape['n'] is no expression but a int and is not used",
        "request_shape['in.list'] is no expression but a list and is not used",
        "request_shape['in.flag'] is no expression but a bool and is not used",
    ]


def test_a_faulty_expression_is_refused_with_its_key_S36() -> None:
    for shape, key in (
        ({"model": "body.["}, "model"),
        ({"ok": "body.name", "inner": {"deep": "a b"}}, "inner.deep"),
        ({"empty": ""}, "empty"),
    ):
        with pytest.raises(ValueError, match=rf"^Invalid JMESPath in '{key}': .+"):
            compile_shape(shape)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("nope(body)", "there is no function nope"),
        ("body.a || [length()]", r"length\(\) takes 1 arguments, not 0"),
        ("length(body, body)", r"length\(\) takes 1 arguments, not 2"),
        ("not_null()", r"not_null\(\) takes 1 arguments, not 0"),
    ],
)
def test_functions_are_checked_before_any_request(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"Invalid JMESPath in 'x': {said}"):
        compile_shape({"x": expression})
    assert compile_shape({"x": "not_null(body.a, body.b, body.c)"})


@pytest.mark.parametrize("shape", [None, "body.name", ["body.name"], {"a": {1: "body.name"}}])
def test_a_shape_is_a_mapping_of_texts(shape: Any) -> None:
    with pytest.raises(ValueError, match="request_shape must"):
        compile_shape(shape)


@settings(max_examples=30)
@given(body=st.dictionaries(names, json_values, max_size=4), asked=st.lists(names, max_size=4))
def test_translating_finds_what_is_there_and_null_elsewhere(
    body: dict[str, Any], asked: list[str]
) -> None:
    before = json.dumps(body)
    shape = {f"engine_{name}": f"body.{name}" for name in asked}
    found = shaped(shape, body)
    assert found == {f"engine_{name}": body.get(name) for name in asked}
    assert json.dumps(body) == before
    # And the way back: the same fields from an engine's answer, rooted or not.
    answer = Response(body)
    back = {name: (f"body.{name}" if index % 2 else name) for index, name in enumerate(asked)}
    asked_safely = {key: path for key, path in back.items() if key not in ROOTS}
    assert answered(asked_safely, answer) == {
        key: json.loads(answer.body).get(key) for key in asked_safely
    }


ROOTS = {"body", "headers", "status_code"}
trees = st.recursive(
    names.map(lambda name: f"body.{name}"),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30)
@given(shape=st.dictionaries(names, trees, max_size=3), body=st.dictionaries(names, json_values))
def test_what_comes_out_has_the_form_of_its_shape(
    shape: dict[str, Any], body: dict[str, Any]
) -> None:
    def check(part: Any, found: Any) -> None:
        if isinstance(part, dict):
            assert list(part) == list(found)
            for key, inner in part.items():
                check(inner, found[key])
        else:
            assert found == jmespath.search(part, {"body": body})

    check(shape, shaped(shape, body))


@settings(max_examples=30)
@given(
    st.lists(st.from_regex(r"[A-Za-z0-9]{1,6}", fullmatch=True), min_size=1, max_size=4),
    st.from_regex(r"[ -~]{1,12}", fullmatch=True),
)
def test_any_header_is_found_in_any_case(parts: list[str], value: str) -> None:
    name = "X-" + "-".join(parts)
    request = Request(headers={name.swapcase(): value})
    found = shaped({"bare": f"headers.{name}", "quoted": f'headers."{name}"'}, {}, request)
    assert found == {"bare": value, "quoted": value}
