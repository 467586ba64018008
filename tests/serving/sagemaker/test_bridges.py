"""Beside plain Django: REST framework with its permissions, and Starlette without Django."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request as RestRequest
from rest_framework.response import Response as RestResponse
from rest_framework.views import APIView
from starlette.applications import Starlette
from starlette.testclient import TestClient

from serving.sagemaker import (
    AdapterNotFound,
    Registry,
    Request,
    inject_adapter_id,
    register_invocation_handler,
    register_load_adapter_handler,
    register_ping_handler,
    register_unload_adapter_handler,
)
from serving.sagemaker.rest_views import SageMakerViewMixin
from serving.sagemaker.starlette_views import create_routes, sagemaker_endpoint

from .conftest import JSON, Serve

ROOT = Path(__file__).resolve().parents[3]
GOOD = {"name": "a", "src": "s"}
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"


class Keyed(BaseAuthentication):
    """Lets in who brings the key."""

    def authenticate(self, request: RestRequest) -> tuple[Any, str]:
        if request.headers.get("Authorization") != "Bearer k":
            raise AuthenticationFailed("Bring the key.")
        return "nurse", "k"

    def authenticate_header(self, request: RestRequest) -> str:
        return "Bearer"


@pytest.mark.parametrize("is_async", [True, False])
def test_an_api_view_keeps_its_own_guards(registry: Registry, serve: Serve, is_async: bool) -> None:
    def load(data: Any, request: Request) -> Any:
        if data.name == "gone":
            raise AdapterNotFound("gone")
        return RestResponse({"by": request.user, "name": data.name})

    async def load_async(data: Any, request: Request) -> Any:
        return load(data, request)

    handler = register_load_adapter_handler(
        {"name": "body.name"}, {"by": "by", "n": "name"}, registry=registry
    )(load_async if is_async else load)

    class Adapters(SageMakerViewMixin, APIView):
        authentication_classes: ClassVar = [Keyed]
        permission_classes: ClassVar = []

        def post(self, request: RestRequest) -> Any:
            return self.answer(handler, request)

    client = serve([path("adapters", Adapters.as_view())])
    key = {"Authorization": "Bearer k"}
    answer = client.post("/adapters", GOOD, JSON, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"by": "nurse", "n": "a"})
    assert client.post("/adapters", {}, JSON, headers=key).status_code == 400
    gone = client.post("/adapters", {"name": "gone", "src": "s"}, JSON, headers=key)
    assert gone.json() == {"detail": "The adapter gone was not found"}
    refused = client.post("/adapters", GOOD, JSON)
    assert (refused.status_code, refused.json()) == (401, {"detail": "Bring the key."})
    assert refused["Content-Type"] == JSON
    assert refused["WWW-Authenticate"] == "Bearer"
    assert client.get("/adapters", headers=key).status_code == 405


def test_starlette_serves_the_same_contract(registry: Registry) -> None:
    @register_load_adapter_handler({"name": "body.name"}, registry=registry)
    async def load(data: Any, request: Request) -> Any:
        if data.name == "broken":
            raise RuntimeError("Erika M.")
        # What an engine behind another port said.
        return httpx.Response(500, text="rank is greater than max_lora_rank 8")

    @register_unload_adapter_handler({"n": "path_params.adapter_name"}, registry=registry)
    async def unload(data: Any, request: Request) -> Any:
        said = {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip", "X-Engine": "e"}
        content = gzip.compress(json.dumps({"n": data.n}).encode())
        return httpx.Response(200 if data.n == "a" else 404, content=content, headers=said)

    @inject_adapter_id("model", registry=registry)
    async def invoke(request: Request) -> Any:
        return await request.json()

    register_invocation_handler(invoke, registry=registry)
    client = TestClient(Starlette(routes=create_routes(registry)), raise_server_exceptions=True)
    answer = client.post("/adapters", json=GOOD)
    assert (answer.status_code, answer.text) == (424, "rank is greater than max_lora_rank 8")
    assert client.post("/adapters", json={}).status_code == 400
    broken = client.post("/adapters", json={"name": "broken", "src": "s"})
    assert (broken.status_code, broken.json()) == (500, {"detail": "Internal Server Error"})
    assert client.delete("/adapters/a").text == "Adapter a unregistered"
    other = client.delete("/adapters/b")
    assert (other.status_code, other.json()) == (404, {"n": "b"})
    # It was read and unpacked on the way: what was true of that connection is not of this one.
    assert other.headers["X-Engine"] == "e"
    assert not {"transfer-encoding", "content-encoding"} & set(other.headers)
    called = client.post("/invocations", json={"model": "x"}, headers={IDENTIFIER: "ad1"})
    assert called.json() == {"model": "ad1"}
    assert client.get("/ping").status_code == 404


def test_what_nobody_foresaw_is_500_for_handlers_that_wait_S58(
    registry: Registry, serve: Serve
) -> None:
    @register_load_adapter_handler({"name": "body.name"}, registry=registry)
    async def load(data: Any, request: Request) -> Any:
        raise RuntimeError("Erika M.")

    starlette = TestClient(Starlette(routes=create_routes(registry)))
    for answer in (
        serve().post("/adapters", GOOD, JSON),
        starlette.post("/adapters", json=GOOD),
    ):
        assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})
        assert answer.headers["Content-Type"] == JSON


def test_starlette_takes_no_handler_that_blocks(registry: Registry) -> None:
    register_ping_handler(lambda request: None, registry=registry)
    with pytest.raises(ValueError, match="must be async"):
        create_routes(registry)
    with pytest.raises(ValueError, match="must be async"):
        sagemaker_endpoint(print)


def test_the_core_and_the_bridge_to_starlette_run_without_django() -> None:
    code = (
        "import sys, serving.sagemaker, serving.sagemaker.starlette_views, logging;"
        "assert 'django' not in sys.modules and 'rest_framework' not in sys.modules;"
        "assert logging.getLogger().handlers == []"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
