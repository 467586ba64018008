"""Whatever a caller sends in whichever field never comes back in an error, nor stands in a log."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import gateway as make

Serve = Callable[..., Any]
# Two words with letters that no message of ours has; spaces, capitals, umlauts, breaks, quotes.
MARKS = ("Zqxjåk", "VWKÖZY")
secrets = st.builds(
    lambda before, middle, after: f"{before}{MARKS[0]}{middle}{MARKS[1]}{after}",
    *[st.text(st.sampled_from(" \n\"'{}<>%\\äB7\t"), max_size=4)] * 3,
)
FIELDS = (
    "model", "messages", "prompt", "stream", "stream_options", "temperature", "top_p", "stop",
    "max_tokens", "max_completion_tokens", "seed", "n", "tools", "user", "response_format",
    "answer_id", "verdict", "category", "text",
)  # fmt: skip
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/feedback")


def bodies(model: str) -> Any:
    good = {"model": model, "messages": [{"role": "user", "content": "x"}]}
    return st.one_of(
        st.builds(lambda key, text: {**good, key: text}, st.sampled_from(FIELDS), secrets),
        st.builds(lambda key, text: {**good, key: [text]}, st.sampled_from(FIELDS), secrets),
        st.builds(lambda key, text: {**good, key: {text: text}}, st.sampled_from(FIELDS), secrets),
        st.builds(lambda text: {**good, text: 1}, secrets),
        st.builds(lambda text: {**good, "messages": [{"role": text}]}, secrets),
        st.builds(
            lambda text: {**good, "messages": [{"role": "user", "content": [{"type": text}]}]},
            secrets,
        ),
        st.builds(lambda text: {**good, "messages": [{text: text, "tool_calls": text}]}, secrets),
        secrets,
    )


def _is_clean(said: str) -> bool:
    plain = said.encode().decode("unicode_escape", "ignore") + said
    return not any(mark in plain or mark.lower() in plain.lower() for mark in MARKS)


def test_no_error_of_the_gateway_repeats_a_text(
    world: Any, serve: Serve, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    deployment = world.deployment(world.version(fail="start"))
    caller = serve()
    caplog.set_level(logging.DEBUG)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(PATHS), bodies(deployment.public_name), st.booleans())
    def post(path: str, body: Any, is_json: bool) -> None:
        text = json.dumps(body)
        response = caller.http.post(path, content=text if is_json else text + "}")
        assert response.status_code in (400, 404, 503), response.status_code
        assert _is_clean(response.text)

    post()
    model = caller.http.get(f"/v1/models/{MARKS[0]} {MARKS[1]}")
    assert model.status_code == 404 and _is_clean(model.text)
    assert all(_is_clean(record.getMessage()) for record in caplog.records)
    printed = capfd.readouterr()
    assert _is_clean(printed.out) and _is_clean(printed.err)


def test_no_error_of_a_node_repeats_a_text(world: Any) -> None:
    import httpx

    node = world.node
    http = httpx.Client(headers={"Authorization": f"Bearer {make.NODE_SECRET}"})
    lease = {"name": "a@0", "digest": "0" * 64, "purpose": "serve", "run": "r", "ttl_seconds": 1}
    good = {
        "generate": {"name": "a@000000000000", "prompt": "x", "purpose": "serve", "run": "r"},
        "leases": {"leases": [lease]},
        "stops": {"epoch": 1, "digests": []},
        "replicas/a@000000000000": {"digest": "0" * 64, "path": "/nowhere", "lease": lease},
    }

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data(), st.sampled_from(sorted(good)), secrets)
    def send(data: Any, path: str, text: str) -> None:
        body = dict(good[path])
        body[data.draw(st.sampled_from([*body, "messages", "stop", "max_tokens"]))] = text
        if path == "leases" and data.draw(st.booleans()):
            body = {"leases": [{**lease, data.draw(st.sampled_from(sorted(lease))): text}]}
        if path.startswith("replicas/"):
            body["path"] = f"/nowhere/{text}"
        method = "POST" if path == "generate" else "PUT"
        response = http.request(method, f"{node.url}/node/v1/{path}", json=body)
        assert _is_clean(response.text), response.text
        named = http.delete(f"{node.url}/node/v1/replicas/{MARKS[0]} {MARKS[1]}@000000000000")
        assert named.status_code == 404 and _is_clean(named.text)

    send()
    http.close()


def test_a_plain_name_is_named(world: Any, serve: Serve) -> None:
    error = serve().chat("tirage").json()["error"]
    assert error["message"].startswith("There is no model 'tirage' here.")


def test_paths_are_exact_and_hosts_are_checked(world: Any, serve: Serve) -> None:
    caller = serve()
    for path in ("/v1", "/v1/models/", "/v1//models", "/v1/models/a/b"):
        response = caller.http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_url")
    assert caller.http.post("/v1/chat/completions/", json={}).status_code == 404
    for host in ("evil.example", "127.0.0.1.evil.example", "", "a b"):
        response = caller.http.get("/v1/models", headers={"Host": host})
        assert response.status_code == 400
        assert "evil" not in response.text
    assert caller.http.get("/v1/models", headers={"Host": "localhost:1"}).status_code == 200
