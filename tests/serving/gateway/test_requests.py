"""What clients may send, over real HTTP: clear refusals, never a 500."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.domain.test_openai_api import bodies, values

Serve = Callable[..., Any]


def error_of(response: httpx.Response) -> Any:
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["type"]
    return error


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/feedback"])
def test_no_body_breaks_the_gateway(world: Any, serve: Serve, path: str) -> None:
    deployment = world.deployment(world.version(default="x"))
    caller = serve()

    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        bodies.map(lambda body: json.dumps(body).encode())
        | bodies.map(
            lambda body: json.dumps(
                {**body, "model": deployment.public_name, "stream": False, "stream_options": None}
            ).encode()
        )
        | values.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=50)
    )
    def post(raw: bytes) -> None:
        response = caller.http.post(path, content=raw)
        assert response.status_code in (200, 400, 403, 404, 503), response.status_code
        if response.status_code != 200:
            assert response.status_code != 503
            error_of(response)

    post()


def test_large_bodies_are_refused(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="x"))
    caller = serve()
    response = caller.chat(deployment.public_name, "x" * (1 << 20))
    assert response.status_code == 413
    assert error_of(response)["code"] == "body_too_large"


def test_refusals_name_the_parameter(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="x"))
    caller = serve()
    error = error_of(caller.chat(deployment.public_name, tools=[{"type": "function"}]))
    assert (error["code"], error["param"]) == ("unsupported_parameter", "tools")
    assert error["type"] == "invalid_request_error"
    error = error_of(caller.chat("nothing"))
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    response = caller.chat(deployment.public_name, unit="x" * 300)
    assert (response.status_code, error_of(response)["param"]) == (400, "X-Formulary-Unit")


def test_paths_and_methods(world: Any, serve: Serve) -> None:
    caller = serve()
    response = caller.http.get("/v1/chat/completions")
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    for path in ("/v1/", "/v1/nothing", "/v1/load_lora_adapter"):
        response = caller.http.post(path)
        assert (response.status_code, error_of(response)["code"]) == (404, "unknown_url")


def test_without_a_token_nothing_is_told(world: Any, serve: Serve) -> None:
    caller = serve()
    for method, path in [
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/feedback"),
    ]:
        for header in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer \xff"}):
            raw = {key: value.encode("latin-1") for key, value in header.items()}
            response = httpx.request(method, caller.url + path, headers=raw)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert error_of(response)["code"] == "invalid_api_key"


def test_all_other_paths_are_djangos(world: Any, serve: Serve) -> None:
    response = httpx.get(f"{serve().url}/")
    assert (response.status_code, response.headers["Location"]) == (302, "/console/")
