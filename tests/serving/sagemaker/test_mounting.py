"""From registered handlers to routes that answer."""

import dataclasses
import logging
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from serving.sagemaker import (
    Registry,
    RouteConfig,
    Router,
    bootstrap,
    create_router,
    create_sagemaker_router,
    get_lora_route_config,
    mount_handlers,
    register_invocation_handler,
    register_load_adapter_handler,
    register_ping_handler,
    register_unload_adapter_handler,
    sagemaker_view,
)

from .conftest import JSON, Serve

GOOD = {"name": "a", "src": "s"}


@pytest.fixture
def both(registry: Registry) -> list[tuple[str, str]]:
    """Loads and unloads, kept as they come."""
    done: list[tuple[str, str]] = []

    @register_load_adapter_handler({"name": "body.name"}, registry=registry)
    async def load(data: Any, request: Any) -> dict[str, str]:
        done.append(("load", data.name))
        return {"status": "loaded"}

    @register_unload_adapter_handler({"name": "path_params.adapter_name"}, registry=registry)
    async def unload(data: Any, request: Any) -> dict[str, str]:
        done.append(("unload", data.name))
        return {"status": "unloaded"}

    return done


def test_one_call_mounts_all_registered_handlers_S38(
    registry: Registry, serve: Serve, both: list[tuple[str, str]]
) -> None:
    register_ping_handler(lambda request: None, registry=registry)
    register_invocation_handler(lambda request: {"out": 1}, registry=registry)
    client = serve(bootstrap(registry=registry))
    assert client.post("/adapters", GOOD, JSON).content == b"Adapter a registered"
    assert client.delete("/adapters/a").content == b"Adapter a unregistered"
    ping = client.get("/ping")
    assert (ping.status_code, ping.content) == (200, b"")
    assert client.head("/ping").status_code == 200
    assert client.post("/invocations", b"any bytes", JSON).json() == {"out": 1}
    assert both == [("load", "a"), ("unload", "a")]


def test_mounted_handlers_win_over_the_applications_routes_and_the_others_stay_S38(
    registry: Registry, serve: Serve, both: list[tuple[str, str]]
) -> None:
    def mine(request: HttpRequest, rest: str = "") -> HttpResponse:
        return HttpResponse(f"mine {rest}")

    register_ping_handler(lambda request: "new", registry=registry)
    register_invocation_handler(lambda request: "out", registry=registry)
    # The first of them takes every path that is left to it.
    patterns: list[Any] = [path("<path:rest>", mine), path("ping", mine), path("", mine)]
    assert bootstrap(patterns, registry=registry) is patterns
    client = serve(patterns)
    assert client.get("/ping").content == b"new"
    assert client.post("/invocations", b"x", JSON).content == b"out"
    assert client.post("/adapters", GOOD, JSON).content == b"Adapter a registered"
    assert client.delete("/adapters/a").content == b"Adapter a unregistered"
    assert both == [("load", "a"), ("unload", "a")]
    assert client.get("/v1/models").content == b"mine v1/models"
    assert client.get("/").content == b"mine "


def test_with_nothing_registered_nothing_is_mounted(registry: Registry, serve: Serve) -> None:
    assert bootstrap(registry=registry) == []
    client = serve([])
    for answer in (client.get("/ping"), client.post("/adapters"), client.post("/invocations")):
        assert answer.status_code == 404


def test_handlers_registered_later_are_not_mounted_S39(registry: Registry, serve: Serve) -> None:
    register_ping_handler(lambda request: None, registry=registry)
    client = serve(bootstrap(registry=registry))
    register_load_adapter_handler({}, registry=registry)(lambda request: None)
    assert client.get("/ping").status_code == 200
    assert client.post("/adapters", GOOD, JSON).status_code == 404
    again = serve(bootstrap(registry=registry))
    assert again.post("/adapters", GOOD, JSON).status_code == 200


def test_a_router_with_the_handlers_can_be_had_S40(
    registry: Registry, serve: Serve, both: list[tuple[str, str]]
) -> None:
    router = create_sagemaker_router(registry=registry)
    client = serve([path("engine/", include(router))])
    assert client.post("/engine/adapters", GOOD, JSON).status_code == 200
    assert client.delete("/engine/adapters/a").status_code == 200
    assert client.post("/adapters", GOOD, JSON).status_code == 404
    prefixed = create_sagemaker_router("/v2/", registry=registry)
    assert serve([path("", include(prefixed))]).delete("/v2/adapters/a").status_code == 200
    assert [name for name, _ in both] == ["load", "unload", "unload"]


def test_all_handlers_or_a_named_subset_are_mounted_S41(
    registry: Registry, serve: Serve, both: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    everything, some, nothing = (Router(registry=registry) for _ in range(3))
    mount_handlers(everything, route_resolver=get_lora_route_config)
    client = serve(everything.urlpatterns)
    assert client.post("/adapters", GOOD, JSON).status_code == 200
    assert client.delete("/adapters/a").status_code == 200

    names = ["unregister_adapter", "never_registered", "inject_adapter_id"]
    mount_handlers(some, handler_names=names, route_resolver=get_lora_route_config)
    client = serve(some.urlpatterns)
    assert client.delete("/adapters/a").status_code == 200
    assert client.post("/adapters", GOOD, JSON).status_code == 404

    # A subset may be empty.
    mount_handlers(nothing, handler_names=[], route_resolver=get_lora_route_config)
    assert nothing.urlpatterns == []
    with caplog.at_level(logging.WARNING):
        mount_handlers(nothing)
    assert nothing.urlpatterns == []
    assert "needs a route_resolver" in caplog.text


def test_a_resolver_of_ones_own_may_choose_and_refuse(
    registry: Registry, serve: Serve, both: list[tuple[str, str]]
) -> None:
    def resolve(name: str) -> RouteConfig | None:
        if name == "unregister_adapter":
            raise ValueError("not here")
        return RouteConfig("/load/{tenant}/{rest:path}", "put")

    client = serve(create_router("x", resolve, registry=registry).urlpatterns)
    assert client.put("/x/load/north/a/b", GOOD, JSON).status_code == 200
    assert client.post("/x/load/north/a/b", GOOD, JSON).status_code == 405

    def fails(name: str) -> RouteConfig | None:
        raise LookupError(name)

    with pytest.raises(LookupError):
        create_router("", fails, registry=registry)


def test_an_operations_route_can_be_asked_for_S42() -> None:
    route = get_lora_route_config("register_adapter")
    assert isinstance(route, RouteConfig)
    assert f"{route.method} {route.path}" == "POST /adapters"
    route = get_lora_route_config("unregister_adapter")
    assert route is not None
    assert f"{route.method} {route.path}" == "DELETE /adapters/{adapter_name}"
    assert get_lora_route_config("make_coffee") is None


def test_a_route_has_path_method_tags_and_summary_S43() -> None:
    route = RouteConfig("/x", "GET")
    assert (route.path, route.method, route.tags, route.summary) == ("/x", "GET", None, None)
    route = RouteConfig(path="/x", method="GET", tags=["t"], summary="s")
    assert (route.tags, route.summary) == (["t"], "s")
    with pytest.raises(dataclasses.FrozenInstanceError):
        route.path = "/y"  # type: ignore[misc]


def test_the_register_route_carries_its_tags_and_summary_S44() -> None:
    route = get_lora_route_config("register_adapter")
    assert route is not None
    assert route.tags == ["adapters", "lora"]
    assert route.summary == "Register a new LoRA adapter"
    other = get_lora_route_config("unregister_adapter")
    assert other is not None
    assert (other.tags, other.summary) == (["adapters", "lora"], "Unregister a LoRA adapter")


def test_injecting_has_no_route_S45(registry: Registry) -> None:
    assert get_lora_route_config("inject_adapter_id") is None
    registry.add_handler("inject_adapter_id", print)
    assert bootstrap(registry=registry) == []


def test_post_adapters_loads_S46(serve: Serve, both: list[tuple[str, str]]) -> None:
    client = serve()
    assert client.post("/adapters", GOOD, JSON).status_code == 200
    assert both == [("load", "a")]
    answer = client.get("/adapters")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer["Allow"] == "POST"
    assert client.post("/adapters/", GOOD, JSON).status_code == 404
    assert both == [("load", "a")]


def test_delete_adapters_name_unloads_S47(serve: Serve, both: list[tuple[str, str]]) -> None:
    client = serve()
    assert client.delete("/adapters/a%20b").content == b"Adapter a b unregistered"
    assert both == [("unload", "a b")]
    assert client.delete("/adapters").status_code == 405
    assert client.get("/adapters/a").status_code == 405
    assert client.delete("/adapters/a%2Fb").status_code == 404
    assert len(both) == 1


def test_the_applications_own_views_keep_their_other_methods(
    registry: Registry, serve: Serve, both: list[tuple[str, str]]
) -> None:
    async def mine(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"mine {request.method}")

    def ping(request: HttpRequest) -> HttpResponse:
        return HttpResponse("old")

    register_ping_handler(lambda request: "new", registry=registry)
    patterns: list[Any] = [path("adapters", mine), path("ping", ping), path("about", ping)]
    assert bootstrap(patterns, registry=registry) is patterns
    client = serve(patterns)
    assert client.get("/adapters").content == b"mine GET"
    assert client.post("/adapters", GOOD, JSON).content == b"Adapter a registered"
    assert client.get("/ping").content == b"new"
    assert client.post("/ping").content == b"old"
    assert client.get("/about").content == b"old"


def test_handlers_that_wait_and_handlers_that_do_not_share_a_path(
    registry: Registry, serve: Serve
) -> None:
    async def slow(request: Any) -> str:
        return "slow"

    router = Router(registry=registry)
    router.add(RouteConfig("/x", "GET"), slow)
    router.add(RouteConfig("/x", "POST"), lambda request: "quick")
    client = serve(router.urlpatterns)
    assert (client.get("/x").content, client.post("/x").content) == (b"slow", b"quick")
    assert client.put("/x").status_code == 405


def test_one_handler_can_be_a_view_by_itself(serve: Serve) -> None:
    def handler(request: Any) -> dict[str, Any]:
        return {"path": request.path_params, "query": request.query_params, "via": request.method}

    client = serve([path("x/<int:n>", sagemaker_view(handler))])
    assert client.put("/x/5?a=1&a=2").json() == {
        "path": {"n": "5"},
        "query": {"a": "2"},
        "via": "PUT",
    }
