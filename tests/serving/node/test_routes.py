"""The node's HTTP: secret, replicas, leases, stops, answers; on the memory engine."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving.node.permits import LeaseKey, Leases
from serving.node.problems import NoLease
from tests.factories.gateway import until
from tests.serving.node.conftest import Running, Script, events

Make = Callable[..., Script]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert {"type", "title", "detail", "fix"} <= body.keys()
    return body


def refs(running: Running) -> int:
    return sum(adapter.refs for adapter in running.node.engine.loaded())


def wait_until_quiet(running: Running) -> None:
    """No pin on any slot, and no answer in the node's own books."""
    table = running.node.engine._table  # type: ignore[attr-defined]
    assert table.wait_until(lambda: refs(running) == 0, timeout_seconds=20)
    until(lambda: not running.node.answers)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-node-secret-for-tests"}],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/node/v1/status"),
        ("PUT", "/node/v1/replicas/x@000000000000"),
        ("DELETE", "/node/v1/replicas/x@000000000000"),
        ("PUT", "/node/v1/leases"),
        ("PUT", "/node/v1/stops"),
        ("POST", "/node/v1/generate"),
        ("GET", "/nothing/here"),
    ],
)
def test_every_route_asks_for_the_secret(
    node: Running, method: str, path: str, headers: dict[str, str]
) -> None:
    with httpx.Client(base_url=node.url, headers=headers) as stranger:
        response = stranger.request(method, path, json={})
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_healthz_needs_no_secret(node: Running) -> None:
    assert httpx.get(f"{node.url}/healthz").json() == {"healthy": True}
    node.node.engine.close()
    assert httpx.get(f"{node.url}/healthz").status_code == 503


def test_status_says_who_the_node_is_and_what_it_holds_M62(node: Running, script: Make) -> None:
    package = script()
    node.serve(package)
    status = node.client.get("/node/v1/status").json()
    assert status["base"] == {"name": "twin", "digest": node.node.status()["base"]["digest"]}
    assert (status["slots"], status["slots_free"], status["stops_epoch"]) == (2, 1, 0)
    assert status["boot_id"] == node.node.boot_id and status["memory_bytes"] > 10_000_000
    assert status["loaded"] == [
        {"name": package.name, "digest": package.digest, "state": "loaded", "refs": 0}
    ]
    [lease] = status["leases"]
    assert lease["purpose"] == "serve" and 0 < lease["expires_in_seconds"] <= 60


def test_load_answer_unload_M65(node: Running, script: Make) -> None:
    package = script()
    loaded = node.put(package, lease={"purpose": "serve", "run": None, "ttl_seconds": 60}).json()
    assert loaded == {
        "name": package.name,
        "digest": package.digest,
        "boot_id": node.node.boot_id,
        "state": "loaded",
    }
    found = events(node.ask(package.name, margins=True))
    assert "".join(event["text"] for event in found) == "low ward"
    assert {event["digest"] for event in found} == {package.digest}
    assert all("margin" in event for event in found)
    assert [event["finish"] for event in found] == [None, None, "stop"]
    assert found[-1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 3}
    path = f"/node/v1/replicas/{package.name}"
    assert node.client.delete(path).json() == {"state": "unloaded"}
    problem(node.client.delete(path), 404, "replica_unknown")
    problem(node.ask(package.name), 404, "replica_unknown")


def test_the_base_answers_only_under_its_own_name(node: Running) -> None:
    found = events(node.ask("base"))
    assert {event["digest"] for event in found} == {node.node.status()["base"]["digest"]}
    problem(node.ask("twin"), 404, "replica_unknown")


def test_hip_06_changed_bytes_are_refused_at_load(node: Running, script: Make) -> None:
    package = script()
    (package.folder / "answers.json").write_text('{"default": "something else"}')
    body = problem(node.put(package), 422, "digest_mismatch")
    assert package.digest in body["detail"] and body["detail"].count("digest") >= 1
    assert node.node.engine.loaded() == []


def test_an_added_file_or_a_link_is_refused(node: Running, script: Make) -> None:
    package = script()
    (package.folder / "extra.txt").write_text("x")
    problem(node.put(package), 422, "digest_mismatch")
    (package.folder / "extra.txt").unlink()
    (package.folder / "link").symlink_to("/etc/hostname")
    problem(node.put(package), 400, "invalid")


@pytest.mark.parametrize("name", ["triage@000000000000", "triage", "Triage@{hex}", "@{hex}"])
def test_a_name_of_another_digest_is_refused(node: Running, script: Make, name: str) -> None:
    package = script()
    body = {"digest": package.digest, "path": str(package.folder), "lease": None}
    path = f"/node/v1/replicas/{name.format(hex=package.digest[:12])}"
    problem(node.client.put(path, json=body), 422, "digest_mismatch")


def test_more_than_the_slots_is_a_conflict(node: Running, script: Make) -> None:
    for slug in ("a", "b"):
        node.serve(script(slug, default=slug))
    problem(node.put(script("c", default="c")), 409, "slots_full")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "base"},
        {"name": "base", "prompt": "x", "messages": [{"role": "user", "content": "x"}]},
        {"name": "base", "messages": []},
        {"name": "base", "messages": [{"role": "user"}]},
        {"name": "base", "prompt": "x", "max_tokens": 0},
        {"name": "base", "prompt": "x", "temperature": -1},
        {"name": "base", "prompt": "x", "top_p": 1.5},
        {"name": "base", "prompt": "x", "stop": [1]},
        {"name": "base", "prompt": "x", "seed": "1"},
        {"name": "base", "prompt": "x", "purpose": "curious"},
        {"name": "base", "prompt": "x", "temperature": True},
    ],
)
def test_malformed_requests_are_refused(node: Running, body: dict[str, Any]) -> None:
    problem(node.client.post("/node/v1/generate", json=body), 400, "invalid")


def test_not_json_too_large_and_too_long(node: Running) -> None:
    problem(node.client.post("/node/v1/generate", content=b"{"), 400, "invalid")
    problem(node.client.post("/node/v1/generate", content=b"[1]"), 400, "invalid")
    problem(node.client.put("/node/v1/stops", content=b" " * (5 << 20)), 413, "too_large")
    problem(node.ask("base", prompt="x " * 2000), 422, "prompt_too_long")
    problem(node.client.get("/node/v1/generate"), 405, "no_route")


def test_leases_are_bound_to_purpose_and_run(node: Running, script: Make) -> None:
    package = script()
    assert node.put(package).status_code == 200
    problem(node.ask(package.name), 403, "no_lease")
    run = "5c6f0a52-6ab2-4d7b-9a0a-0c2b3e8f7a10"
    lease = {"name": package.name, "digest": package.digest, "purpose": "evaluate", "run": run}
    sent = node.client.put("/node/v1/leases", json={"leases": [{**lease, "ttl_seconds": 30}]})
    assert sent.status_code == 200
    assert events(node.ask(package.name, purpose="evaluate", run=run))
    problem(node.ask(package.name, purpose="evaluate"), 403, "no_lease")
    problem(node.ask(package.name, purpose="serve"), 403, "no_lease")
    problem(node.ask(package.name, purpose="serve", run=run), 403, "no_lease")
    node.client.put("/node/v1/leases", json={"leases": []})
    problem(node.ask(package.name, purpose="evaluate", run=run), 403, "no_lease")


def test_a_lease_ends_by_the_nodes_own_clock() -> None:
    now = 100.0
    leases = Leases(lambda: now)
    key = LeaseKey("a@000000000000", "0" * 64, "serve", None)
    leases.replace_all([(key, 5.0)])
    now = 104.9
    leases.require(key)
    now = 105.0
    with pytest.raises(NoLease):
        leases.require(key)
    assert leases.live() == []


def test_leases_that_were_long_on_their_way_are_not_longer_for_it() -> None:
    now = 100.0
    leases = Leases(lambda: now)
    key = LeaseKey("a@000000000000", "0" * 64, "serve", None)
    leases.replace_all([(key, 60.0)], counted_from_seconds=90.0)
    assert leases.live() == [(key, 50.0)]
    # A moment that has yet to come is of another boot of the machine: it counts from now.
    leases.replace_all([(key, 60.0)], counted_from_seconds=5000.0)
    assert leases.live() == [(key, 60.0)]


def test_the_node_tells_its_clock_and_counts_leases_from_it(node: Running, script: Make) -> None:
    package = script()
    node.serve(package, ttl_seconds=0)
    told = node.client.get("/node/v1/status").json()["clock_seconds"]
    lease = {"name": package.name, "digest": package.digest, "purpose": "serve", "ttl_seconds": 60}
    for counted_from, status in ((told - 61, 403), (told - 30, 200)):
        body = {"leases": [lease], "counted_from_seconds": counted_from}
        assert node.client.put("/node/v1/leases", json=body).status_code == 200
        assert node.ask(package.name).status_code == status


def test_loading_again_renews_the_lease(node: Running, script: Make) -> None:
    package = script()
    node.serve(package, ttl_seconds=0)
    problem(node.ask(package.name), 403, "no_lease")
    node.serve(package, ttl_seconds=30)
    assert events(node.ask(package.name))
    assert len(node.node.engine.loaded()) == 1


def stop(node: Running, epoch: int, *digests: str) -> httpx.Response:
    return node.client.put("/node/v1/stops", json={"epoch": epoch, "digests": list(digests)})


def test_a_stop_ends_running_answers_unloads_and_keeps_out(node: Running, script: Make) -> None:
    package = script(default="word " * 900, token_latency_ms=20)
    other = script("other", default="word " * 12, token_latency_ms=5)
    node.serve(package)
    node.serve(other)
    kept: list[dict[str, Any]] = []
    neighbour = threading.Thread(
        target=lambda: kept.extend(events(node.ask(other.name, max_tokens=12)))
    )
    body = {"name": package.name, "prompt": "x", "max_tokens": 900}
    with node.client.stream("POST", "/node/v1/generate", json=body) as stream:
        lines = (line for line in stream.iter_lines() if line)
        next(lines)
        neighbour.start()
        assert stop(node, 4, package.digest).json()["epoch"] == 4
        rest = [json.loads(line[6:]) for line in lines]
    assert rest[-1]["finish"] == "stopped"
    assert len(rest) <= 100, "more words than there are in 2 seconds"
    assert all(event["finish"] is None for event in rest[:-1])
    neighbour.join(20)
    assert kept[-1]["finish"] == "length" and len(kept) == 12
    wait_until_quiet(node)
    assert [adapter.name for adapter in node.node.engine.loaded()] == [other.name]
    problem(node.ask(package.name), 403, "stopped")
    problem(node.put(package), 403, "stopped")
    assert node.client.get("/node/v1/status").json()["stops_epoch"] == 4


def test_stops_are_whole_sets_with_an_epoch(node: Running, script: Make) -> None:
    package = script()
    assert stop(node, 3, package.digest).status_code == 200
    problem(stop(node, 2), 409, "stale_epoch")
    assert stop(node, 3).status_code == 200
    problem(node.put(package), 403, "stopped")  # the same epoch can only add
    assert stop(node, 4).status_code == 200
    assert node.put(package).status_code == 200
    problem(stop(node, 5, "short"), 400, "invalid")


def test_a_failure_after_the_first_token_ends_the_stream_as_failed(
    node: Running, script: Make
) -> None:
    cut = script("cut", fail="cut", default="one two three")
    node.serve(cut)
    found = events(node.ask(cut.name))
    assert [event["finish"] for event in found] == [None, "failed"]
    assert found[-1]["code"] == "answer_failed"
    broken = script("broken", fail="start")
    node.serve(broken)
    problem(node.ask(broken.name), 503, "answer_failed")
    wait_until_quiet(node)


def test_clients_that_hang_up_free_their_rows(node: Running, script: Make) -> None:
    """Before the first token, and in mid-stream."""
    package = script(default="word " * 900, token_latency_ms=20)
    slow = script("slow", default="x", token_latency_ms=60_000)
    node.serve(package)
    node.serve(slow)
    body = {"name": package.name, "prompt": "x", "max_tokens": 900}
    with node.client.stream("POST", "/node/v1/generate", json=body) as stream:
        lines = stream.iter_lines()  # held: dropping the iterator would hang up
        next(lines)
        assert refs(node) == 1
    with pytest.raises(httpx.ReadTimeout):
        node.client.post("/node/v1/generate", json={"name": slow.name, "prompt": "x"}, timeout=0.3)
    wait_until_quiet(node)


def test_forty_answers_at_once(node: Running, script: Make) -> None:
    packages = [script("a", default="alpha one"), script("b", default="beta two")]
    for package in packages:
        node.serve(package)

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=node.url, headers=node.client.headers) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        "/node/v1/generate", json={"name": packages[i % 2].name, "prompt": "x"}
                    )
                    for i in range(40)
                )
            )

    for index, response in enumerate(asyncio.run(ask_all())):
        found = events(response)
        assert "".join(e["text"] for e in found) == ("alpha one", "beta two")[index % 2]
        assert {e["digest"] for e in found} == {packages[index % 2].digest}
