"""The base class: a translation of one's own, and its two hooks."""

import dataclasses
from typing import Any

import pytest
from django.http import HttpResponse

from serving.sagemaker import (
    BaseLoRAApiTransform,
    BaseLoRATransformRequestOutput,
    LoRAHandlerType,
    Registry,
    Request,
    Response,
    RouteConfig,
    create_transform_decorator,
    get_transform_cls_from_handler_type,
)
from serving.sagemaker.django_views import run_to_end

from .conftest import JSON, Serve

ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


class Plain(BaseLoRAApiTransform):
    """Reads the name in the body."""

    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        data = await raw_request.json()
        return BaseLoRATransformRequestOutput(
            request=self._transform_request(data, raw_request),
            raw_request=raw_request,
            adapter_name=data.get("name"),
        )


class Worded(Plain):
    """Words both kinds of answer."""

    def _transform_ok_response(self, response: Response, **kwargs: Any) -> Any:
        return HttpResponse(
            f"{response.text}|{kwargs['adapter_name']}|{kwargs['adapter_alias']}",
            content_type="text/plain",
        )

    def _transform_error_response(self, response: Response, **kwargs: Any) -> Any:
        if "out of memory" in response.text:
            return Response(f"{kwargs['adapter_name']} does not fit", status_code=507)
        return response


def mounted(
    registry: Registry, transform: type[BaseLoRAApiTransform], handler: Any, *shapes: Any
) -> None:
    registry.add_transform("custom", transform, route=RouteConfig("/custom", "POST"))
    create_transform_decorator("custom", registry=registry)(*shapes)(handler)


def test_a_translation_of_ones_own_is_written_on_the_base_class_S24(
    registry: Registry, serve: Serve
) -> None:
    with pytest.raises(TypeError, match="transform_request"):
        BaseLoRAApiTransform()  # type: ignore[abstract]
    for operation in LoRAHandlerType:
        assert issubclass(get_transform_cls_from_handler_type(operation), BaseLoRAApiTransform)

    def handler(data: Any, request: Request) -> dict[str, Any]:
        return {"got": vars(data), "engine": 1}

    shape = {"model": "body.name", "deep": {"q": "query_params.q"}}
    mounted(registry, Plain, handler, shape, {"model": "got.model", "q": "body.got.deep.q"})
    answer = serve().post("/custom?q=7", {"name": "a", "other": 1}, JSON)
    assert (answer.status_code, answer.json()) == (200, {"model": "a", "q": "7"})
    plain = Plain()
    assert plain._transform_request({"name": "a"}, Request()) is None
    assert Plain({"x": "body.name"})._transform_request([1], Request()) == {"x": None}
    assert plain._transform_response(Response({"a": 1})) == {}


def test_a_hook_sees_good_answers_with_name_and_alias_S25(registry: Registry, serve: Serve) -> None:
    mounted(registry, Worded, lambda request: "fine", {})
    client = serve()
    answer = client.post("/custom", {"name": "a"}, JSON)
    assert answer.content == b"fine|a|None"
    answer = client.post("/custom", {"name": "a"}, JSON, headers={ALIAS: "Nice"})
    assert answer.content == b"fine|a|Nice"


@pytest.mark.parametrize("status", [201, 400, 500])
def test_a_hook_sees_errors_and_may_change_their_status_S26(
    registry: Registry, serve: Serve, status: int
) -> None:
    said = Response("worker is out of memory", status)
    mounted(registry, Worded, lambda request: said, {})
    client = serve()
    answer = client.post("/custom", {"name": "a"}, JSON)
    assert (answer.status_code, answer.content) == (507, b"a does not fit")
    mounted(registry, Worded, lambda request: Response("other", status, {"X-E": "1"}), {})
    answer = serve().post("/custom", {"name": "a"}, JSON)
    assert (answer.status_code, answer.content, answer["X-E"]) == (status, b"other", "1")


def test_a_hook_sees_the_translated_answer(registry: Registry, serve: Serve) -> None:
    mounted(registry, Worded, lambda request: {"id": 7, "x": 1}, {}, {"n": "id"})
    assert serve().post("/custom", {"name": "a"}, JSON).content == b'{"n": 7}|a|None'


def test_what_a_translation_yields_has_three_typed_parts_S27() -> None:
    request = Request(body=b'{"name": "a"}')
    output = run_to_end(Plain({"m": "body.name"}).transform_request(request))
    assert type(output) is BaseLoRATransformRequestOutput
    assert [field.name for field in dataclasses.fields(output)] == [
        "request",
        "raw_request",
        "adapter_name",
    ]
    assert output.request == {"m": "a"}
    assert output.raw_request is request
    assert output.adapter_name == "a"
    assert BaseLoRATransformRequestOutput(None, request).adapter_name is None
