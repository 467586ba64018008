"""A node knew of a change before the gateway did: it looks again, and says what is so."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from compliance.models import Permission
from config.core import clock
from serving.gateway.limits import Limits
from serving.gateway.node_client import NodeClient
from serving.gateway.snapshots import SnapshotKeeper
from serving.gateway.threads import DatabaseThreads
from serving.models import Answer
from serving.states import Arm, FailureKind
from tests.factories import gateway as make

Serve = Callable[..., Any]
# Polls by itself once and then not again during the test.
SLOW = Limits(poll_seconds=60, least_poll_seconds=0.05, row_commit_seconds=15)


def _unload(world: Any, version: Any) -> None:
    world.node.call("DELETE", f"replicas/{version.runtime_name}")


def _drop_leases(world: Any, version: Any) -> None:
    world.node.call("PUT", "leases", {"leases": []})


@pytest.mark.parametrize("forgotten", [_unload, _drop_leases])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_that_the_node_heard_of_first_is_told_as_a_stop(
    world: Any, serve: Serve, forgotten: Any, stream: bool
) -> None:
    version = world.version(default="x")
    deployment = world.deployment(version)
    caller = serve(SLOW)
    assert caller.chat(deployment.public_name).status_code == 200
    make.stop(version.digest)
    forgotten(world, version)
    response = caller.chat(deployment.public_name, stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "stopped")
    assert Answer.objects.latest("pk").failure == FailureKind.STOPPED


def test_a_permission_that_ended_is_told_as_one(world: Any, serve: Serve) -> None:
    version = world.version(default="x")
    deployment = world.deployment(version)
    caller = serve(SLOW)
    Permission.objects.update(ended_at=clock.now())
    make.bump()
    _drop_leases(world, version)
    response = caller.chat(deployment.public_name)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "not_permitted")


def test_a_node_that_merely_lost_it_is_503(world: Any, serve: Serve) -> None:
    version = world.version(default="x")
    deployment = world.deployment(version)
    caller = serve(SLOW)
    _unload(world, version)
    response = caller.chat(deployment.public_name)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "no_replica")
    assert Answer.objects.get().failure == FailureKind.ERROR


def test_a_stop_is_no_failure_of_the_canary(world: Any, serve: Serve) -> None:
    canary = world.version(default="high ward")
    deployment = world.deployment(world.version(default="low ward"))
    make.rollout(deployment, canary, weight_percent=100)
    caller = serve(SLOW)
    make.stop(canary.digest)
    _unload(world, canary)
    response = caller.chat(deployment.public_name)
    assert response.json()["choices"][0]["message"]["content"] == "low ward"
    assert Answer.objects.get(arm=Arm.CANARY).failure == FailureKind.STOPPED


class CountingThreads(DatabaseThreads):
    """Counts calls, and how many run at once."""

    def __init__(self) -> None:
        super().__init__("counted", count=4)
        self.count = self.running = self.most = 0

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await super().run(function, *args, **kwargs)
        finally:
            self.running -= 1


@pytest.mark.django_db(transaction=True)
def test_a_thousand_who_look_again_share_a_few_reads() -> None:
    threads = CountingThreads()
    limits = Limits(poll_seconds=60, least_poll_seconds=0.05, reread_seconds=60)

    async def look() -> float:
        keeper = SnapshotKeeper(limits, NodeClient(limits), threads)
        await keeper.start()
        threads.count = 0
        began = time.monotonic()
        for _ in range(5):
            await asyncio.gather(*(keeper.look_again() for _ in range(200)))
        await keeper.stop()
        return time.monotonic() - began

    spent = asyncio.run(look())
    threads.close()
    connections.close_all()
    # A poll (list of stops, epochs, perhaps a snapshot) each 50 ms, however many ask; and never
    # two at once.
    assert threads.count <= 3 * (spent / limits.least_poll_seconds + 2)
    assert threads.most == 1
