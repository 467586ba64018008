"""Inference as SageMaker's clients ask for it, over real HTTP."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from registry.models import Version
from serving.models import Deployment
from tests.factories import gateway as make

IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
Serve = Callable[..., Any]
NOTE = [{"role": "user", "content": "a note"}]


def _served(world: Any, name: str, answer: str) -> Version:
    version: Version = world.version(default=answer)
    made = world.deployment(version)
    Deployment.objects.filter(pk=made.pk).update(public_name=name)
    return version


@pytest.fixture
def caller(world: Any, serve: Serve) -> Any:
    _served(world, "routing", "yes")
    _served(world, "other", "no")
    return serve()


def _ask(caller: Any, body: Any, path: str = "/invocations", **headers: str) -> httpx.Response:
    named = {IDENTIFIER: headers.get("identifier"), ALIAS: headers.get("alias")}
    sent = {name: value for name, value in named.items() if value is not None}
    found: httpx.Response = caller.http.post(path, json=body, headers=sent)
    return found


def _text(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    choice = answer.json()["choices"][0]
    return str(choice["message"]["content"] if "message" in choice else choice["text"])


def test_the_header_names_the_adapter_over_the_bodys_model_S64(caller: Any) -> None:
    assert _text(_ask(caller, {"model": "other", "messages": NOTE})) == "no"
    asked = _ask(caller, {"model": "other", "messages": NOTE}, identifier="routing")
    assert _text(asked) == "yes"
    assert asked.json()["model"] == "routing"
    assert _text(_ask(caller, {"messages": NOTE}, identifier="ROUTING")) == "yes"
    completed = {"model": "other", "prompt": "a note"}
    for path in ("/invocations", "/sagemaker/invocations"):
        assert _text(_ask(caller, completed, path)) == "no"
        assert _text(_ask(caller, completed, path, identifier="routing")) == "yes"


def test_both_paths_and_both_kinds_of_body_are_taken(caller: Any) -> None:
    mounted = _ask(caller, {"prompt": "a note"}, "/sagemaker/invocations", identifier="routing")
    assert _text(mounted) == "yes"
    streamed = _ask(caller, {"messages": NOTE, "stream": True}, identifier="routing")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("[DONE]")


def test_an_unknown_adapter_is_never_answered_by_the_base_S61(caller: Any) -> None:
    # A model in the body that exists must not stand in for the one that the header asks for.
    by_header = _ask(caller, {"messages": NOTE, "model": "routing"}, identifier="nobody")
    by_body = _ask(caller, {"messages": NOTE, "model": "nobody"})
    for answer in (by_header, by_body):
        assert answer.status_code == 404
        assert answer.json() == {"detail": "The adapter nobody was not found"}


def test_the_alias_stands_for_the_name_in_what_is_said_S65(caller: Any) -> None:
    answer = _ask(caller, {"messages": NOTE}, identifier="nobody", alias="Chest notes")
    assert answer.json() == {"detail": "The adapter Chest notes was not found"}


def test_what_is_no_name_is_not_repeated(caller: Any) -> None:
    answer = _ask(caller, {"model": "Ann Smith, 4 May 1970", "messages": NOTE})
    assert answer.status_code == 404
    assert "Smith" not in answer.text


def test_a_body_that_cannot_be_read_is_a_400(caller: Any) -> None:
    for raw in (b"", b"no json", b"[1]", b'"text"', b"\xff", b'{"model": "routing"}', b"{}"):
        answer = caller.http.post("/invocations", content=raw, headers={IDENTIFIER: "routing"})
        assert answer.status_code == 400, raw
        assert list(answer.json()) == ["detail"], raw


def test_other_methods_and_strangers_are_refused_in_the_contracts_shape(caller: Any) -> None:
    got = caller.http.get("/invocations")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert list(got.json()) == ["detail"]
    url = f"{caller.url}/invocations"
    stranger = httpx.post(url, json={"model": "routing", "messages": NOTE})
    assert stranger.status_code == 401
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert list(stranger.json()) == ["detail"]
    body = {"model": "routing", "messages": NOTE}
    by_key = httpx.post(url, json=body, headers={"X-API-Key": caller.token})
    assert _text(by_key) == "yes"
    both = {"X-API-Key": caller.token, "Authorization": "Bearer fml_another"}
    assert httpx.post(url, json=body, headers=both).status_code == 401


def test_a_stopped_version_does_not_answer(world: Any, serve: Serve) -> None:
    make.stop(_served(world, "routing", "yes").digest)
    answer = _ask(serve(), {"messages": NOTE}, identifier="routing")
    assert answer.status_code == 403
    assert "stopped" in answer.json()["detail"]
