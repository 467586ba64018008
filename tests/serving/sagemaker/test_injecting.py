"""The identifier in the body: what is written, what is refused."""

import json
import logging
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.sagemaker import (
    AdapterHeaderToBodyApiTransform,
    AdapterNotFound,
    AppendOperation,
    LoRAHandlerType,
    Registry,
    Request,
    RequestInvalid,
    create_transform_decorator,
    inject_adapter_id,
    register_invocation_handler,
)
from serving.sagemaker.django_views import run_to_end

from .conftest import JSON, Serve

ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"


def injected(
    shape: dict[str, Any], body: Any, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    request = Request(body=json.dumps(body).encode(), headers=headers or {})
    transform = AdapterHeaderToBodyApiTransform(shape)
    output = run_to_end(transform.transform_request(request))
    assert output.request is None
    assert output.raw_request is request
    return request.data


HEADER = f"headers.{IDENTIFIER}"


def test_headers_are_put_into_the_body_as_the_shape_says_S18() -> None:
    shape = {"model": HEADER, "options.alias": f'headers."{ALIAS}"'}
    headers = {IDENTIFIER: "cardio", ALIAS: "Nice"}
    body = {"model": "base", "prompt": "x", "options": {"n": 1}}
    assert injected(shape, body, headers) == {
        "model": "cardio",
        "prompt": "x",
        "options": {"n": 1, "alias": "Nice"},
    }


def test_inference_takes_the_adapter_from_the_identifier_header_S64(
    registry: Registry, serve: Serve
) -> None:
    seen: list[dict[str, Any]] = []

    def invoke(request: Request) -> dict[str, Any]:
        assert int(request.headers["content-length"]) == len(request.body)
        seen.append(request.data)
        return {"by": request.data.get("model")}

    register_invocation_handler(
        inject_adapter_id("model", registry=registry)(invoke), registry=registry
    )
    client = serve()
    body = {"model": "base", "prompt": "p"}
    with_header = client.post("/invocations", body, JSON, headers={IDENTIFIER: "cardio"})
    assert with_header.json() == {"by": "cardio"}
    assert client.post("/invocations", body, JSON).json() == {"by": "base"}
    assert client.post("/invocations", body, JSON, headers={IDENTIFIER: ""}).json() == {
        "by": "base"
    }
    assert client.post("/invocations", {"prompt": "p"}, JSON).json() == {"by": None}
    new = client.post("/invocations", {"prompt": "p"}, JSON, headers={IDENTIFIER: "cardio"})
    assert new.json() == {"by": "cardio"}
    assert all(item["prompt"] == "p" for item in seen)


def test_inference_carries_the_alias_beside_the_identifier_S65(
    registry: Registry, serve: Serve
) -> None:
    def invoke(request: Request) -> dict[str, Any]:
        model = request.data["model"]
        if model != "cardio":
            raise AdapterNotFound(model)
        return {"model": model, "alias": request.headers[ALIAS]}

    register_invocation_handler(
        inject_adapter_id("model", registry=registry)(invoke), registry=registry
    )
    client = serve()
    sent = {IDENTIFIER: "cardio", ALIAS: "Cardiology"}
    answer = client.post("/invocations", {"model": "base"}, JSON, headers=sent)
    assert answer.json() == {"model": "cardio", "alias": "Cardiology"}
    sent[IDENTIFIER] = "gone"
    answer = client.post("/invocations", {"model": "base"}, JSON, headers=sent)
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": "The adapter Cardiology was not found"},
    )
    # Without anything around the handler too.
    register_invocation_handler(invoke, registry=registry)
    answer = serve().post("/invocations", {"model": "gone"}, JSON, headers=sent)
    assert answer.json() == {"detail": "The adapter Cardiology was not found"}


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"model": "base"}, {IDENTIFIER: "ad1"}, {"model": "base:ad1"}),
        ({"model": ""}, {IDENTIFIER: "ad1"}, {"model": ":ad1"}),
        ({"model": None}, {IDENTIFIER: "ad1"}, {"model": "ad1"}),
        ({}, {IDENTIFIER: "ad1"}, {"model": "ad1"}),
        ({"model": "base"}, {}, {"model": "base"}),
        ({}, {IDENTIFIER: ""}, {}),
    ],
)
def test_appending_puts_the_identifier_behind_what_is_there(
    body: dict[str, Any], headers: dict[str, str], expected: dict[str, Any]
) -> None:
    assert injected({"model": AppendOperation(":", HEADER)}, body, headers) == expected


def test_plain_targets_come_first_and_later_ones_see_them() -> None:
    shape = {"tail": AppendOperation("+", "body.copy"), "copy": HEADER, "again": "body.copy"}
    assert injected(shape, {"tail": "t"}, {IDENTIFIER: "c"}) == {
        "tail": "t+c",
        "copy": "c",
        "again": "c",
    }


@pytest.mark.parametrize("body", [b"", b"{broken Erika", b"\xff", b"[" * 100_000, b'{"a": NaN}'])
def test_a_body_that_is_no_json_is_400(
    registry: Registry, serve: Serve, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    handler = inject_adapter_id("model", registry=registry)(lambda request: None)
    register_invocation_handler(handler, registry=registry)
    answer = serve().post("/invocations", body, JSON)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON decode error: ")
    assert "Erika" not in answer.content.decode() + caplog.text


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ({"model": HEADER}, []),
        ({"model": HEADER}, None),
        ({"model": HEADER}, "Erika"),
        ({"a.b": HEADER}, {"note": "Erika"}),
        ({"a.b": HEADER}, {"a": "Erika"}),
        ({"a.b.c": HEADER}, {"a": {"b": None}, "note": "Erika"}),
        ({"a.b": AppendOperation(":", HEADER)}, {"note": "Erika"}),
        ({"model": AppendOperation(":", HEADER)}, {"model": ["Erika"]}),
        ({"model": AppendOperation(":", HEADER)}, {"model": 5}),
        ({"n": "length(body.model)"}, {"model": 778899}),
    ],
)
def test_a_body_that_cannot_be_changed_is_400_and_stays_out_of_the_log(
    shape: dict[str, Any], body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RequestInvalid) as caught:
        injected(shape, body, {IDENTIFIER: "ad1"})
    assert caught.value.status_code == 400
    for secret in ("Erika", "778899"):
        assert secret not in caught.value.detail + caplog.text


def test_hyphens_and_depth_in_targets_work_in_both_modes() -> None:
    body = {"x-opts": {"the-model": "base"}}
    sent = {IDENTIFIER: "ad1"}
    target = "x-opts.the-model"
    assert injected({target: HEADER}, body, sent) == {"x-opts": {"the-model": "ad1"}}
    assert injected({target: AppendOperation("/", HEADER)}, body, sent) == {
        "x-opts": {"the-model": "base/ad1"}
    }


def test_the_answer_to_inference_is_the_handlers_own(registry: Registry, serve: Serve) -> None:
    def stream(request: Request) -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"a", b"b"]), content_type="text/event-stream")

    # A stream stays one, with a response shape too.
    for shape in (None, {"text": "out"}):
        inject = inject_adapter_id("model", response_shape=shape, registry=registry)
        register_invocation_handler(inject(stream), registry=registry)
        answer = serve().post("/invocations", {}, JSON)
        assert answer.streaming
        assert b"".join(answer.streaming_content) == b"ab"
    inject = inject_adapter_id("model", response_shape={"text": "out"}, registry=registry)
    register_invocation_handler(inject(lambda request: {"out": "hi", "x": 1}), registry=registry)
    assert serve().post("/invocations", {}, JSON).json() == {"text": "hi"}


def test_a_target_is_an_expression_or_an_append() -> None:
    factory = create_transform_decorator(LoRAHandlerType.INJECT_ADAPTER_ID, registry=Registry())
    for leaf in ({"a": "body.x"}, 5, None):
        with pytest.raises(ValueError, match=r"request_shape\['model'\] must be a JMESPath"):
            factory({"model": leaf})
    with pytest.raises(ValueError, match="empty step"):
        factory({"a..b": "body.x"})


@settings(max_examples=40)
@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4),
    st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
)
def test_injecting_changes_its_target_and_nothing_else(body: dict[str, Any], name: str) -> None:
    found = injected({"model": HEADER}, body, {IDENTIFIER: name})
    assert found == {**body, "model": name}
    assert injected({"model": HEADER}, body) == body
