"""The public functions: what they register, and what they refuse before any request."""

import logging
from typing import Any

import pytest

import serving.sagemaker as public
from serving.sagemaker import (
    HTTPException,
    Registry,
    Request,
    inject_adapter_id,
    register_load_adapter_handler,
    register_unload_adapter_handler,
    validate_shape,
)
from serving.sagemaker.django_views import run_to_end
from serving.sagemaker.factory import respond

IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
GOOD = b'{"name": "a", "src": "s"}'


def said(registry: Registry, name: str, request: Request) -> Any:
    handler = registry.handler(name)
    assert handler is not None
    return run_to_end(respond(handler, request)).data


def test_a_public_function_registers_the_load_handler_S29(registry: Registry) -> None:
    register_load_adapter_handler({"m": "body.name"}, registry=registry)(lambda data, request: None)
    assert said(registry, "register_adapter", Request(body=GOOD)) == "Adapter a registered"
    register_load_adapter_handler(
        request_shape={"m": "body.name"}, response_shape={"n": "id"}, registry=registry
    )(lambda data, request: {"id": data.m})
    assert said(registry, "register_adapter", Request(body=GOOD)) == {"n": "a"}
    register_load_adapter_handler({"m": "body.name"}, {}, registry=registry)(
        lambda data, request: None
    )
    assert said(registry, "register_adapter", Request(body=GOOD)) == "Adapter a registered"
    assert registry.names() == ["register_adapter"]


def test_a_public_function_registers_the_unload_handler_S30(registry: Registry) -> None:
    path = Request(path_params={"adapter_name": "a"})
    shape = {"m": "path_params.adapter_name"}
    register_unload_adapter_handler(shape, registry=registry)(lambda data, request: None)
    assert said(registry, "unregister_adapter", path) == "Adapter a unregistered"
    register_unload_adapter_handler(
        request_shape=shape, response_shape={"n": "id"}, registry=registry
    )(lambda data, request: {"id": data.m})
    assert said(registry, "unregister_adapter", path) == {"n": "a"}
    assert registry.names() == ["unregister_adapter"]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("model",), {}, {"model": "ad1", "options": {"m": "old"}}),
        (({"model": None},), {}, {"model": "ad1", "options": {"m": "old"}}),
        ((), {"request_shape": {"lora": None}}, {"lora": "ad1"}),
        (("options.m",), {}, {"options": {"m": "ad1"}}),
        (("model", True, ":"), {}, {"model": "base:ad1"}),
        ((), {"adapter_path": "model", "append": True, "separator": ""}, {"model": "basead1"}),
    ],
)
def test_a_public_function_puts_the_identifier_into_the_body_S31(
    registry: Registry, arguments: Any, options: Any, expected: dict[str, Any]
) -> None:
    inject_adapter_id(*arguments, registry=registry, **options)(lambda request: request.data)
    body = b'{"model": "base", "options": {"m": "old"}}'
    request = Request(body=body, headers={IDENTIFIER: "ad1"})
    found = said(registry, "inject_adapter_id", request)
    assert found == {"model": "base", "options": {"m": "old"}} | expected
    assert said(registry, "inject_adapter_id", Request(body=body)) == {
        "model": "base",
        "options": {"m": "old"},
    }


PROMISED = {
    "AdapterHeaderToBodyApiTransform",
    "BaseLoRAApiTransform",
    "BaseLoRATransformRequestOutput",
    "LoRAHandlerType",
    "RegisterLoRAApiTransform",
    "ResponseMessage",
    "RouteConfig",
    "SageMakerLoRAApiHeader",
    "UnregisterLoRAApiTransform",
    "bootstrap",
    "create_sagemaker_router",
    "create_transform_decorator",
    "get_adapter_alias_from_request_header",
    "get_adapter_name_from_request",
    "get_adapter_name_from_request_path",
    "get_lora_route_config",
    "get_transform_cls_from_handler_type",
    "inject_adapter_id",
    "mount_handlers",
    "register_invocation_handler",
    "register_load_adapter_handler",
    "register_ping_handler",
    "register_unload_adapter_handler",
}


def test_the_public_names_stay_and_hide_the_factory_S32(registry: Registry) -> None:
    assert set(public.__all__) >= PROMISED
    for name in public.__all__:
        assert getattr(public, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = public.nothing
    # Nobody has to name an operation, and the decorated function keeps its own name.
    decorated = register_load_adapter_handler({}, registry=registry)(_named)
    assert decorated.__name__ == "_named"


def _named(request: Request) -> None:
    """A handler."""


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, r"adapter_path cannot be empty: name the body's field, like 'model'"),
        (("",), {}, "adapter_path cannot be empty"),
        ((None,), {}, "adapter_path cannot be empty"),
        ((5,), {}, "adapter_path must be a string"),
        (("model", True), {}, "separator must be given with append=True"),
        (("model",), {"separator": ":"}, "separator has no meaning without append=True"),
        (({},), {}, "request_shape must contain exactly one field"),
        (({"a": None, "b": None},), {}, "request_shape must contain exactly one field"),
        ((), {"request_shape": "model"}, "request_shape must be a dictionary"),
        (("model",), {"request_shape": {"a": None}}, "not both"),
        (("a..b",), {}, "empty step"),
    ],
)
def test_what_is_missing_is_refused_early_in_words_that_help_S33(
    registry: Registry, arguments: Any, options: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        inject_adapter_id(*arguments, registry=registry, **options)
    assert registry.names() == []
    with pytest.raises(ValueError, match=r"request_shape must contain 'source': add it with"):
        validate_shape({"name": "body.name"}, required=["name", "source"])


def test_a_nested_shape_that_is_no_mapping_is_refused_S34(registry: Registry) -> None:
    with pytest.raises(ValueError, match=r"^request_shape\['nested'\] must be a dictionary$"):
        validate_shape({"nested": "body.name"}, nested=["nested"])
    with pytest.raises(ValueError, match=r"^response_shape\['meta'\] must be a dictionary$"):
        validate_shape({"meta": ["x"]}, name="response_shape", nested=["meta"])
    validate_shape({"nested": {"a": "body.a"}}, nested=["nested", "not_there"])
    shapes: list[Any] = ["body.name", ["body.name"], 5]
    for register in (register_load_adapter_handler, register_unload_adapter_handler):
        for shape in shapes:
            with pytest.raises(ValueError, match="request_shape must be a dictionary"):
                register(shape, registry=registry)
            with pytest.raises(ValueError, match="response_shape must be a dictionary"):
                register({}, shape, registry=registry)
    with pytest.raises(ValueError, match="response_shape must be a dictionary"):
        inject_adapter_id("model", response_shape=shapes[0], registry=registry)


def test_parameters_without_use_warn_and_do_not_fail_S35(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        inject_adapter_id({"model": "headers.other"}, registry=registry)(lambda request: None)
        register_unload_adapter_handler(
            {"a": "body.name", "b": "path_params.adapter_name"}, registry=registry
        )(lambda data, request: None)
        register_load_adapter_handler({"c": "name", "d": "body.name"}, registry=registry)(
            lambda data, request: None
        )
    assert [record.getMessage().split(",")[0] for record in caplog.records] == [
        "request_shape['model'] is not used: the identifier header is written there",
        "request_shape['a'] reads body",
        "request_shape['c'] reads name",
    ]
    assert len(registry.names()) == 3


def test_the_public_functions_refuse_faulty_expressions_S36(registry: Registry) -> None:
    for register in (register_load_adapter_handler, register_unload_adapter_handler):
        with pytest.raises(ValueError, match=r"^Invalid JMESPath in 'config.pin': "):
            register({"config": {"pin": "body.[pin"}}, registry=registry)
        with pytest.raises(ValueError, match=r"^Invalid JMESPath in 'status': "):
            register({}, {"status": "a b"}, registry=registry)
    assert registry.names() == []


def test_refusals_are_the_same_through_the_public_functions(registry: Registry) -> None:
    handler = register_load_adapter_handler({}, registry=registry)(_named)
    with pytest.raises(HTTPException) as caught:
        run_to_end(handler(Request(body=b"{}")))
    assert caught.value.status_code == 400
