"""The SageMaker contract on a node: behind its secret, and never without a lease."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories.gateway import until
from tests.serving.node.conftest import Running, Script

Make = Callable[..., Script]
IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
NOTE = [{"role": "user", "content": "a cough"}]


def permit(node: Running, *scripts: Script) -> None:
    leases = [
        {
            "name": script.name,
            "digest": script.digest,
            "purpose": "serve",
            "run": None,
            "ttl_seconds": 60,
        }
        for script in scripts
    ]
    assert node.client.put("/node/v1/leases", json={"leases": leases}).status_code == 200


def register(node: Running, name: str, source: Any) -> httpx.Response:
    return node.client.post("/adapters", json={"name": name, "src": str(source)})


def ask(node: Running, body: Any, *, identifier: str = "") -> httpx.Response:
    headers = {IDENTIFIER: identifier} if identifier else {}
    return node.client.post("/invocations", json=body, headers=headers)


def test_an_adapter_is_registered_asked_and_unregistered(node: Running, script: Make) -> None:
    one = script()
    permit(node, one)
    done = register(node, "triage", one.folder)
    assert (done.status_code, done.text) == (200, "Adapter triage registered")
    assert register(node, "triage", f"file://{one.folder}").status_code == 200
    listed = node.client.get("/adapters").json()["adapters"]
    assert [(row["name"], row["registered_as"]) for row in listed] == [(one.name, ["triage"])]

    answer = ask(node, {"messages": NOTE, "model": "other"}, identifier="triage")
    assert answer.status_code == 200
    body = answer.json()
    assert body["choices"][0]["message"]["content"] == "low ward"
    assert (body["model"], body["system_fingerprint"]) == ("triage", one.name)
    assert ask(node, {"prompt": "x", "model": one.name}).json()["choices"][0]["text"] == "low ward"

    gone = node.client.delete("/adapters/triage")
    assert (gone.status_code, gone.text) == (200, "Adapter triage unregistered")
    assert node.client.get("/adapters").json() == {"adapters": []}
    assert node.client.delete("/adapters/triage").status_code == 404


def test_a_stream_ends_with_done_and_leaves_nothing_on_the_books(
    node: Running, script: Make
) -> None:
    one = script()
    permit(node, one)
    register(node, "triage", one.folder)
    answer = ask(node, {"messages": NOTE, "model": "triage", "stream": True})
    lines = [line[6:] for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    texts = [json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]]
    assert "".join(texts) == "low ward"
    until(lambda: not node.node.answers)


def test_only_bytes_under_a_lease_are_loaded(node: Running, script: Make, tmp_path: Path) -> None:
    one, other = script(), script("other", default="high ward")
    assert register(node, "triage", one.folder).status_code == 403
    permit(node, one)
    assert register(node, "triage", other.folder).status_code == 403
    (one.folder / "more.txt").write_text("x")
    changed = register(node, "triage", one.folder)
    assert changed.status_code == 403
    assert "lease" in changed.json()["detail"]
    assert node.client.get("/adapters").json() == {"adapters": []}


def test_a_source_that_is_no_folder_is_refused(node: Running, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    sources = [
        "relative", "https://[", "file:///a%00b", "s3://bucket/key", "/" + "x" * 5000, file,
        f"{file}/below", tmp_path / "nothing",
    ]  # fmt: skip
    for source in sources:
        refused = register(node, "triage", source)
        assert (refused.status_code, list(refused.json())) == (400, ["detail"]), source


def test_an_ended_lease_or_a_stop_ends_the_answers(node: Running, script: Make) -> None:
    one = script()
    permit(node, one)
    register(node, "triage", one.folder)
    permit(node)
    refused = ask(node, {"messages": NOTE, "model": "triage"})
    assert (refused.status_code, list(refused.json())) == (403, ["detail"])
    permit(node, one)
    node.client.put("/node/v1/stops", json={"epoch": 1, "digests": [one.digest]})
    assert ask(node, {"messages": NOTE, "model": "triage"}).status_code == 403
    assert register(node, "again", one.folder).status_code == 403


def test_the_base_never_answers_for_an_unknown_name(node: Running) -> None:
    for name in ("nobody", "base"):
        answer = ask(node, {"messages": NOTE, "model": name})
        assert answer.status_code == 404
        assert answer.json() == {"detail": f"The adapter {name} was not found"}
    assert ask(node, {"messages": NOTE}).status_code == 400


def test_a_name_stands_for_one_digest_and_a_shared_load_stays(node: Running, script: Make) -> None:
    one, other = script(), script("other", default="high ward")
    permit(node, one, other)
    register(node, "triage", one.folder)
    assert register(node, "triage", other.folder).status_code == 409
    assert register(node, "second", one.folder).status_code == 200
    assert node.client.delete("/adapters/triage").status_code == 200
    assert ask(node, {"messages": NOTE, "model": "second"}).status_code == 200


def test_what_the_control_plane_loaded_stays_loaded(node: Running, script: Make) -> None:
    one = script()
    node.serve(one)
    assert register(node, "triage", one.folder).status_code == 200
    assert node.client.delete("/adapters/triage").status_code == 200
    assert node.ask(one.name).status_code == 200


@pytest.mark.parametrize("source", ["s3://bucket/a", "relative/path", "/nowhere/at/all"])
def test_a_source_that_is_no_folder_here_is_refused(node: Running, source: str) -> None:
    answer = register(node, "triage", source)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


def test_every_route_asks_for_the_secret_and_ping_is_empty(node: Running) -> None:
    for method, path in (
        ("GET", "/ping"),
        ("POST", "/invocations"),
        ("GET", "/adapters"),
        ("POST", "/adapters"),
        ("DELETE", "/adapters/a"),
    ):
        assert httpx.request(method, f"{node.url}{path}").status_code == 401, path
    answer = node.client.get("/ping")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_large_body_is_refused_before_it_is_read_whole(node: Running) -> None:
    answer = node.client.post("/invocations", content=b"x" * (5 << 20))
    assert (answer.status_code, list(answer.json())) == (413, ["detail"])
