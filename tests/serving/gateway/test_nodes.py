"""Several nodes, nodes that are gone, clients that hang up."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from serving.models import Answer, Node, Replica
from serving.states import FailureKind, ReplicaState
from tests.factories import gateway as make
from tests.serving.gateway.conftest import FAST

Serve = Callable[..., Any]


def test_the_least_busy_node_is_asked(world: Any, serve: Serve) -> None:
    world.add_node()
    version = world.version(default="a b", token_latency_ms=60_000)
    deployment = world.deployment(version)
    caller = serve()
    threads = [
        threading.Thread(target=caller.chat, args=(deployment.public_name,)) for _ in range(4)
    ]

    def answers_of_each() -> list[int]:
        return [len(node.twin.answers) for node in world.nodes]

    for number, thread in enumerate(threads, 1):
        thread.start()
        make.until(lambda: sum(answers_of_each()) == number)  # noqa: B023
    # None of the four has ended: each was asked for while those before it kept their nodes busy.
    assert answers_of_each() == [2, 2]
    make.stop(version.digest)
    for thread in threads:
        thread.join(20)
    names = sorted(Answer.objects.values_list("node_name", flat=True))
    assert names == ["node1", "node1", "node2", "node2"]


def test_a_node_that_is_gone_is_passed_over(world: Any, serve: Serve) -> None:
    version = world.version(default="x")
    dead = Node.objects.get()
    dead.pk, dead.uuid, dead.name, dead.url = None, "0" * 32, "dead", "http://127.0.0.1:9"
    dead.save()
    Replica.objects.create(
        node=dead,
        version=version,
        digest=version.digest,
        state=ReplicaState.READY,
        proven_boot_id=dead.boot_id,
    )
    deployment = world.deployment(version)
    caller = serve()
    assert {caller.chat(deployment.public_name).status_code for _ in range(20)} == {200}
    assert set(Answer.objects.values_list("node_name", "failure")) == {("node1", "")}
    Node.objects.filter(name="node1").update(url="http://127.0.0.1:9")
    make.bump()
    response = make.until(
        lambda: next((r for r in [caller.chat(deployment.public_name)] if r.is_error), None)
    )
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_replica")
    assert Answer.objects.latest("pk").failure == FailureKind.ERROR


def test_a_node_that_has_booted_anew_has_proven_nothing(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="x"))
    caller = serve()
    assert caller.chat(deployment.public_name).status_code == 200
    Node.objects.update(boot_id="another")
    make.bump()
    make.until(lambda: caller.chat(deployment.public_name).status_code == 503)


def test_a_node_without_the_version_is_passed_over(world: Any, serve: Serve) -> None:
    version = world.version(default="x")
    other = world.add_node()
    Replica.objects.create(
        node=other.row,
        version=version,
        digest=version.digest,
        state=ReplicaState.READY,
        proven_boot_id=other.twin.boot_id,
    )
    deployment = world.deployment(version)
    caller = serve()
    assert {caller.chat(deployment.public_name).status_code for _ in range(12)} == {200}
    assert set(Answer.objects.values_list("node_name", flat=True)) == {"node1"}


def test_a_slow_stable_answer_is_503_and_a_timeout(world: Any, serve: Serve) -> None:
    deployment = world.deployment(world.version(default="a b", token_latency_ms=5000))
    caller = serve(replace(FAST, first_token_seconds=0.2))
    for stream in (False, True):
        response = caller.chat(deployment.public_name, stream=stream)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "answer_lost")
    assert set(Answer.objects.values_list("failure", flat=True)) == {FailureKind.TIMEOUT}
    make.until(lambda: not world.node.twin.answers)


def test_a_client_that_hangs_up_frees_the_node(world: Any, serve: Serve) -> None:
    version = world.version(default="word " * 5000, token_latency_ms=10)
    deployment = world.deployment(world.version(default="x"))
    rollout = make.rollout(deployment, version, weight_percent=100)
    caller = serve()
    with caller.http.stream(
        "POST",
        "/v1/chat/completions",
        json={
            "model": deployment.public_name,
            "messages": [{"role": "user", "content": "x"}],
            "stream": True,
        },
    ) as response:
        lines = response.iter_lines()  # held: dropping the iterator would hang up
        next(lines)
        assert world.node.twin.answers
    make.until(lambda: not world.node.twin.answers)
    row = make.until(lambda: Answer.objects.first())
    # Its id still says which rollout it was part of; as evidence it does not count.
    assert row.rollout_id is None and rollout.pk
    assert row.failure == ""


def test_a_client_that_hangs_up_before_the_first_token_frees_the_node(
    world: Any, serve: Serve
) -> None:
    deployment = world.deployment(world.version(default="x", token_latency_ms=60_000))
    caller = serve()
    try:
        caller.http.post(
            "/v1/chat/completions",
            json={"model": deployment.public_name, "messages": [{"role": "user", "content": "x"}]},
            timeout=0.5,
        )
        raise AssertionError("an answer came")
    except httpx.ReadTimeout:
        make.until(lambda: not world.node.twin.answers)
    assert not Answer.objects.exists()


def test_swaps_under_streams_mix_and_cut_nothing_M5_M21(world: Any, serve: Serve) -> None:
    """16 streams over 20 swaps of the stable version."""
    versions = [
        world.version(default=f"version{number} " * 40, token_latency_ms=5) for number in range(4)
    ]
    names = {version.runtime_name: f"version{number}" for number, version in enumerate(versions)}
    deployment = world.deployment(versions[0])
    revisions = [make.revision(deployment, version) for version in versions]
    caller = serve()
    is_over = threading.Event()
    wrong: list[str] = []
    seen: set[str] = set()

    def stream() -> None:
        while not is_over.is_set():
            response = caller.chat(deployment.public_name, stream=True, max_tokens=40)
            name = response.headers.get("X-Formulary-Version", "")
            word = names.get(name, "none")
            if response.status_code != 200 or not response.text.endswith("data: [DONE]\n\n"):
                wrong.append("cut")
            elif response.text.count(f"{word}") < 40 or response.text.count("version") != 40:
                wrong.append("mixed")
            seen.add(name)

    threads = [threading.Thread(target=stream) for _ in range(16)]
    for thread in threads:
        thread.start()
    for swap in range(20):
        before = Answer.objects.count()
        type(deployment).objects.update(stable_revision=revisions[(swap + 1) % 4])
        make.bump()
        make.until(lambda: Answer.objects.count() >= before + 8, seconds=30)  # noqa: B023
    is_over.set()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert seen == set(names)
