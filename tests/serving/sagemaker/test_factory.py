"""The decorator factory: what a handler is called with, and what comes out."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from serving.sagemaker import (
    BaseLoRATransformRequestOutput,
    HTTPException,
    LoRAHandlerType,
    RegisterLoRAApiTransform,
    Registry,
    Request,
    Response,
    create_transform_decorator,
    get_transform_cls_from_handler_type,
)
from serving.sagemaker.django_views import run_to_end
from serving.sagemaker.factory import respond
from serving.sagemaker.transforms import (
    AdapterHeaderToBodyApiTransform,
    UnregisterLoRAApiTransform,
)

REGISTER = LoRAHandlerType.REGISTER_ADAPTER
UNREGISTER = LoRAHandlerType.UNREGISTER_ADAPTER
INJECT = LoRAHandlerType.INJECT_ADAPTER_ID
GOOD = b'{"name": "a", "src": "s3://b/a", "preload": false, "extra": 1}'


def call(registry: Registry, name: str, request: Request) -> Response:
    handler = registry.handler(name)
    assert handler is not None
    return run_to_end(respond(handler, request))


def test_registering_is_an_operation_S13() -> None:
    assert REGISTER == "register_adapter"
    assert f"{REGISTER}" == "register_adapter"
    assert get_transform_cls_from_handler_type("register_adapter") is RegisterLoRAApiTransform


def test_unregistering_is_an_operation_S14() -> None:
    assert UNREGISTER == "unregister_adapter"
    assert f"{UNREGISTER}" == "unregister_adapter"
    assert get_transform_cls_from_handler_type("unregister_adapter") is UnregisterLoRAApiTransform


def test_injecting_is_an_operation_S15() -> None:
    assert INJECT == "inject_adapter_id"
    assert f"{INJECT}" == "inject_adapter_id"
    found = get_transform_cls_from_handler_type("inject_adapter_id")
    assert found is AdapterHeaderToBodyApiTransform
    assert len(LoRAHandlerType) == 3


def test_an_unknown_operation_is_named_S19(registry: Registry) -> None:
    for ask in (get_transform_cls_from_handler_type, create_transform_decorator):
        with pytest.raises(ValueError, match=r"^Unsupported LoRAHandlerType: make_coffee$"):
            ask("make_coffee", registry=registry)


def test_a_factory_makes_decorators_from_shapes_and_registers_S20(registry: Registry) -> None:
    seen: list[Any] = []
    factory = create_transform_decorator(REGISTER, registry=registry)
    decorate = factory({"model": "body.name"}, {"adapter_name": "id"})

    @decorate
    async def load(data: SimpleNamespace, request: Request) -> dict[str, Any]:
        """Loads."""
        seen.append(data.model)
        return {"id": data.model, "other": 1}

    assert (load.__name__, load.__doc__) == ("load", "Loads.")
    assert registry.handler("register_adapter") is load
    answer = asyncio.run(respond(load, Request(body=GOOD)))
    assert (answer.status_code, answer.data) == (200, {"adapter_name": "a"})
    assert seen == ["a"]


def test_the_last_handler_of_an_operation_counts(registry: Registry) -> None:
    factory = create_transform_decorator(REGISTER, registry=registry)
    factory()(lambda request: "first")
    factory()(lambda request: "second")
    assert call(registry, REGISTER, Request()).text == "second"
    assert registry.names() == ["register_adapter"]


@pytest.mark.parametrize("is_async", [True, False])
def test_with_shapes_a_handler_gets_fields_and_the_raw_request_S21(
    registry: Registry, is_async: bool
) -> None:
    seen: list[Any] = []

    def load(*given: Any) -> None:
        seen.extend(given)

    async def load_async(*given: Any) -> None:
        load(*given)

    shape = {"model": "body.name", "inner": {"src": "body.src"}, "no": "body.missing"}
    factory = create_transform_decorator(REGISTER, registry=registry)
    factory(shape)(load_async if is_async else load)
    request = Request(body=GOOD, native=SimpleNamespace(user="nurse"))
    assert call(registry, REGISTER, request).status_code == 200
    data, raw = seen
    assert type(data) is SimpleNamespace
    assert vars(data) == {"model": "a", "inner": {"src": "s3://b/a"}, "no": None}
    assert raw is request
    assert (raw.body, raw.user) == (GOOD, "nurse")


def test_fields_that_are_all_null_are_still_two_arguments(registry: Registry) -> None:
    seen: list[Any] = []
    factory = create_transform_decorator(UNREGISTER, registry=registry)
    factory({"x": "query_params.x"})(lambda data, request: seen.append(data.x))
    call(registry, UNREGISTER, Request(path_params={"adapter_name": "a"}))
    assert seen == [None]


def test_without_shapes_everything_passes_through_S22(registry: Registry) -> None:
    seen: list[Any] = []
    said = Response("as it is", 203, {"X-Own": "1"})

    def load(*given: Any) -> Response:
        seen.extend(given)
        return said

    decorated = create_transform_decorator(REGISTER, registry=registry)()(load)
    assert decorated is load
    request = Request(body=b"no json at all")
    assert call(registry, REGISTER, request) is said
    assert seen == [request]


@pytest.mark.parametrize(
    ("operation", "shape", "request_"),
    [
        (UNREGISTER, {}, Request(path_params={"adapter_name": "a"})),
        (REGISTER, {}, Request(body=GOOD)),
        (INJECT, {"model": "headers.x"}, Request(body=b"{}", headers={"X": "y"})),
    ],
)
def test_where_nothing_comes_out_a_handler_gets_the_raw_request_S23(
    registry: Registry, operation: str, shape: dict[str, str], request_: Request
) -> None:
    seen: list[Any] = []

    def handler(*given: Any) -> None:
        seen.extend(given)

    create_transform_decorator(operation, registry=registry)(shape)(handler)
    assert call(registry, operation, request_).status_code == 200
    assert seen == [request_]


def test_an_empty_shape_still_checks_and_words_the_answer(registry: Registry) -> None:
    create_transform_decorator(REGISTER, registry=registry)({})(lambda request: None)
    assert call(registry, REGISTER, Request(body=GOOD)).text == "Adapter a registered"
    handler = registry.handler(REGISTER)
    assert handler is not None
    with pytest.raises(HTTPException, match="missing"):
        run_to_end(handler(Request(body=b"{}")))


@pytest.mark.parametrize(
    ("operation", "shape", "handler", "words"),
    [
        (REGISTER, {"a": "body.name"}, lambda request: None, r"\(data, raw_request\)"),
        (UNREGISTER, {"a": "headers.x"}, lambda: None, r"\(data, raw_request\)"),
        (INJECT, {"a": "headers.x"}, lambda data, request: None, r"\(raw_request\)"),
        (REGISTER, {}, lambda data, request: None, r"\(raw_request\)"),
    ],
)
def test_a_handler_that_cannot_take_its_arguments_is_refused_at_once(
    registry: Registry, operation: str, shape: dict[str, str], handler: Any, words: str
) -> None:
    factory = create_transform_decorator(operation, registry=registry)
    with pytest.raises(ValueError, match=f"must take {words}"):
        factory(shape)(handler)
    assert registry.names() == []


def test_another_request_than_the_toolkits_is_refused_with_the_way_out(registry: Registry) -> None:
    handler = create_transform_decorator(REGISTER, registry=registry)({})(lambda request: None)
    with pytest.raises(TypeError, match="sagemaker_view"):
        run_to_end(handler(object()))


def test_a_fault_of_the_handler_is_not_hidden(registry: Registry) -> None:
    def load(request: Request) -> None:
        raise LookupError("inner")

    create_transform_decorator(REGISTER, registry=registry)({})(load)
    with pytest.raises(LookupError):
        call(registry, REGISTER, Request(body=GOOD))


def test_a_custom_class_takes_the_place_of_an_added_operation(registry: Registry) -> None:
    class Quiet(RegisterLoRAApiTransform):
        async def transform_request(self, raw_request: Request) -> BaseLoRATransformRequestOutput:
            return BaseLoRATransformRequestOutput(None, raw_request, "quiet")

    registry.add_transform("quiet", Quiet)
    create_transform_decorator("quiet", registry=registry)({})(lambda request: None)
    assert call(registry, "quiet", Request()).text == "Adapter quiet registered"
    assert get_transform_cls_from_handler_type("quiet", registry=registry) is Quiet


def test_emptying_a_registry_ends_with_its_block(registry: Registry) -> None:
    create_transform_decorator(REGISTER, registry=registry)()(print)
    with registry.emptied():
        assert registry.names() == []
        create_transform_decorator(INJECT, registry=registry)()(print)
        assert registry.names() == ["inject_adapter_id"]
    assert registry.names() == ["register_adapter"]
