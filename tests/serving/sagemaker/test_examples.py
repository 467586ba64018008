"""The examples that engine servers for FastAPI are written after, with this toolkit's imports."""

from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import include, path

from serving.sagemaker import (
    BaseLoRAApiTransform,
    BaseLoRATransformRequestOutput,
    LoRAHandlerType,
    Registry,
    Request,
    Response,
    RouteConfig,
    bootstrap,
    create_sagemaker_router,
    create_transform_decorator,
    get_lora_route_config,
    register_load_adapter_handler,
    register_unload_adapter_handler,
)

from .conftest import JSON, Serve

BODY = {"name": "my-lora-adapter", "src": "s3://bucket/adapter", "preload": True}
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"


class Backend:
    """An engine that keeps where each adapter came from."""

    def __init__(self) -> None:
        self.loaded: dict[str, str] = {}

    async def load_adapter(self, name: str, source: str) -> None:
        self.loaded[name] = source

    async def unload_adapter(self, name: str) -> None:
        del self.loaded[name]


def test_a_server_is_set_up_with_bootstrap(registry: Registry, serve: Serve) -> None:
    backend = Backend()

    @register_load_adapter_handler(
        request_shape={"adapter_id": "body.name", "adapter_source": "body.src"}, registry=registry
    )
    async def load_adapter(data: SimpleNamespace, request: Request) -> Response:
        await backend.load_adapter(data.adapter_id, data.adapter_source)
        return Response(status_code=200, content=f"Loaded {data.adapter_id}")

    @register_unload_adapter_handler(
        request_shape={"adapter_id": "path_params.adapter_name"}, registry=registry
    )
    async def unload_adapter(data: SimpleNamespace, request: Request) -> Response:
        await backend.unload_adapter(data.adapter_id)
        return Response(status_code=200, content=f"Unloaded {data.adapter_id}")

    client = serve(bootstrap(registry=registry))
    answer = client.post("/adapters", BODY, JSON)
    assert answer.content == b"Adapter my-lora-adapter registered"
    assert backend.loaded == {"my-lora-adapter": "s3://bucket/adapter"}
    answer = client.delete("/adapters/my-lora-adapter")
    assert answer.content == b"Adapter my-lora-adapter unregistered"
    assert backend.loaded == {}
    assert client.delete("/adapters/my-lora-adapter").status_code == 500


def test_body_and_header_are_mapped_and_nothing_else(registry: Registry, serve: Serve) -> None:
    seen: list[dict[str, Any]] = []
    register_load = create_transform_decorator(LoRAHandlerType.REGISTER_ADAPTER, registry=registry)

    @register_load(
        request_shape={
            "model": "body.name",
            "source": "body.src",
            "adapter_id": "headers.X-Amzn-SageMaker-Adapter-Identifier",
        }
    )
    async def my_handler(transformed_data: SimpleNamespace, raw_request: Request) -> Response:
        assert raw_request.headers[IDENTIFIER] == transformed_data.adapter_id
        seen.append(vars(transformed_data))
        return Response(status_code=200, content="Success")

    client = serve(bootstrap(registry=registry))
    assert client.post("/adapters", BODY, JSON, headers={IDENTIFIER: "x1"}).status_code == 200
    assert seen == [
        {"model": "my-lora-adapter", "source": "s3://bucket/adapter", "adapter_id": "x1"}
    ]


def test_passthrough_and_unload_without_fields_read_the_raw_request(
    registry: Registry, serve: Serve
) -> None:
    @register_load_adapter_handler(registry=registry)
    async def load(raw_request: Request) -> Response:
        body = await raw_request.json()
        return Response(status_code=200, content=f"Success {body['free']}")

    @register_unload_adapter_handler(request_shape={}, registry=registry)
    async def unload(raw_request: Request) -> Response:
        name = raw_request.path_params.get("adapter_name")
        return Response(status_code=200 if name == "a" else 409, content="Engine's words")

    client = serve([path("", include(create_sagemaker_router(registry=registry)))])
    assert client.post("/adapters", {"free": 1}, JSON).content == b"Success 1"
    assert client.delete("/adapters/a").content == b"Adapter a unregistered"
    other = client.delete("/adapters/b")
    assert (other.status_code, other.content) == (409, b"Engine's words")


class MyCustomTransform(BaseLoRAApiTransform):
    """Reads the body, words both kinds of answer."""

    async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
        request_data = await raw_request.json()
        return BaseLoRATransformRequestOutput(
            request=self._transform_request(request_data, raw_request),
            raw_request=raw_request,
            adapter_name=request_data.get("name"),
        )

    def _transform_ok_response(self, response: Response, **kwargs: Any) -> Response:
        name = kwargs.get("adapter_alias") or kwargs.get("adapter_name")
        return Response(status_code=200, content=f"Operation succeeded for {name}")

    def _transform_error_response(self, response: Response, **kwargs: Any) -> Response:
        if "specific_error_pattern" in response.body.decode():
            return Response(status_code=HTTPStatus.INSUFFICIENT_STORAGE, content="Custom error")
        return response


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Response(status_code=200), (200, b"Operation succeeded for my-lora-adapter")),
        (Response("specific_error_pattern", 500), (507, b"Custom error")),
        (Response("other", 418), (418, b"other")),
    ],
)
def test_a_custom_transformer_words_its_answers(
    registry: Registry, serve: Serve, said: Response, expected: tuple[int, bytes]
) -> None:
    registry.add_transform("my_op", MyCustomTransform, route=RouteConfig("/my-op", "POST"))
    register_my_handler = create_transform_decorator("my_op", registry=registry)

    @register_my_handler(request_shape={"model": "body.name"}, response_shape={"status": "state"})
    async def my_custom_handler(data: SimpleNamespace, raw_request: Request) -> Response:
        assert data.model == "my-lora-adapter"
        return said

    answer = serve(bootstrap(registry=registry)).post("/my-op", BODY, JSON)
    assert (answer.status_code, answer.content) == expected


def test_routes_print_as_they_are_documented() -> None:
    route = get_lora_route_config("register_adapter")
    assert route
    assert f"{route.method} {route.path}" == "POST /adapters"
    assert f"Tags: {route.tags}" == "Tags: ['adapters', 'lora']"
    assert f"Summary: {route.summary}" == "Summary: Register a new LoRA adapter"
    assert get_lora_route_config("inject_adapter_id") is None
