"""A killed node, and a control loop that is away: refused, never answered by the base."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from compliance.models import AuditEvent, Permission
from config.accounts.roles import Role
from config.core import clock
from registry.models import Version
from serving.engines.memory import ANSWERS_FILE
from serving.models import Deployment, ProbeRun, Replica
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.awake import awake_seconds
from tests.flows.formulary import PATIENT, Formulary, Staff
from tests.flows.waiting import until

ANSWER = "urgent " * 400
LATENCY_MS = 25
"""An answer takes ten seconds: who cuts it has time to."""
TTL_SECONDS = 3


@dataclass(frozen=True)
class Told:
    """What a client got for one request."""

    status: int
    version: str
    served_by: str
    code: str
    retry_after: str
    asked_at: datetime


class House:
    """One adapter and the base, each in a deployment of its own, on one node."""

    def __init__(self, formulary: Formulary, tmp_path: Path) -> None:
        formulary.start(
            engine="memory",
            base=make.base_folder(tmp_path / "tiny"),
            limits=replace(PATIENT, poll_seconds=0.1, reread_seconds=1.0),
        )
        staff = Staff(formulary)
        adapter = staff.adapter()
        files = make.package(rank=4, base_name=formulary.base.slug)
        script = {"default": ANSWER.strip(), "token_latency_ms": LATENCY_MS}
        files[ANSWERS_FILE] = json.dumps(script).encode()
        self.formulary = formulary
        self.version: Version = staff.approved(files, of=adapter)
        formulary.start_workers()
        self.deployment: Deployment = staff.live(self.version, adapter)
        self.base: Deployment = staff.live(None, None)
        token = accounts.token_text(accounts.user(Role.APPLICATION))
        self.http = httpx.Client(
            base_url=f"{formulary.url}/v1/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        until(lambda: self.ask().status == self.ask(self.base).status == 200)

    def body(self, of: Deployment | None = None, **more: Any) -> dict[str, Any]:
        named = (of or self.deployment).public_name
        return {"model": named, "prompt": "a note", "max_tokens": 2, **more}

    def ask(self, of: Deployment | None = None) -> Told:
        asked_at = clock.now()
        response = self.http.post("completions", json=self.body(of))
        error = response.json().get("error") or {}
        return Told(
            status=response.status_code,
            version=response.headers.get("X-Formulary-Version", ""),
            served_by=response.headers.get("X-Formulary-Served-By", ""),
            code=str(error.get("code", "")),
            retry_after=response.headers.get("Retry-After", ""),
            asked_at=asked_at,
        )

    @contextmanager
    def asking(self) -> Iterator[list[Told]]:
        """A client asks all the time; what it got is judged at the end of the block."""
        told: list[Told] = []
        ending = threading.Event()

        def run() -> None:
            while not ending.wait(0.01):
                told.append(self.ask())

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            ending.set()
            thread.join(60)
        assert not thread.is_alive()
        for each in told:
            if each.status == 200:
                assert (each.version, each.served_by) == (self.version.runtime_name, "adapter")
            else:
                assert (each.status, each.served_by) == (503, "")
                assert each.code in {"no_replica", "answer_lost"}
                assert int(each.retry_after) > 0


@pytest.fixture
def house(formulary: Formulary, tmp_path: Path) -> House:
    return House(formulary, tmp_path)


@pytest.fixture
def short_leases(settings: Any) -> None:
    settings.LEASE_TTL_SECONDS, settings.LEASE_RENEW_SECONDS = TTL_SECONDS, 1


def test_a_node_that_is_killed_and_comes_back_is_proven_again(house: House) -> None:
    formulary = house.formulary
    replica = Replica.objects.get(version=house.version)
    first_boot = replica.proven_boot_id
    with house.asking() as told:
        until(lambda: told)
        with house.http.stream(
            "POST", "completions", json=house.body(stream=True, max_tokens=400)
        ) as stream:
            lines = stream.iter_lines()
            first = next(lines)
            formulary.node.kill()
            rest = [line for line in lines if line]
        assert "text" in json.loads(first.removeprefix("data: "))["choices"][0]
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "withdrawn"
        assert not any("[DONE]" in line for line in rest), "what was cut does not look whole"
        until(lambda: told[-1].status == 503)
        assert house.ask(house.base).status == 503

        # It is back, and nobody has proven anything on it: the base answers for itself alone.
        formulary.stop_workers()
        formulary.node.start()
        until(lambda: house.ask(house.base).status == 200, seconds=30)
        assert house.ask(house.base).served_by == "base"
        assert house.ask().code == "no_replica"
        until(lambda: Replica.objects.get(pk=replica.pk).state == "wanted")
        assert house.ask().code == "no_replica"
        assert house.ask(house.base).served_by == "base"

        formulary.start_workers()
        until(lambda: told[-1].status == 200, seconds=30)
    status = formulary.node.call("GET", "status").json()
    replica.refresh_from_db()
    assert (replica.state, replica.proven_boot_id) == ("ready", status["boot_id"])
    assert replica.proven_boot_id != first_boot
    assert [entry["name"] for entry in status["loaded"]] == [house.version.runtime_name]
    # Proven by the record of its first probe, and not by a new one.
    assert ProbeRun.objects.filter(digest=house.version.digest).count() == 1
    assert AuditEvent.objects.filter(action="replica.ready").count() == 2


def test_without_a_control_loop_answers_end_with_the_lease(
    short_leases: None, house: House
) -> None:
    formulary, on_node = house.formulary, {"prompt": "x", "max_tokens": 1}
    on_node["name"] = house.version.runtime_name
    with house.asking() as told:
        until(lambda: told)
        formulary.stop_control()
        with awake_seconds() as since_stopped:
            until(lambda: told[-1].status == 503, seconds=10 * TTL_SECONDS)
            assert since_stopped() < 2 * TTL_SECONDS
        lease = Permission.objects.get(version=house.version, purpose="serve")
        answered = [each for each in told if each.status == 200]
        assert answered[-1].asked_at > lease.renewed_at, "the lease runs on for a while"
        assert told[-1].code == "no_replica"
        refused = until(
            lambda: (found := formulary.node.call("POST", "generate", on_node)).is_error and found
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "no_lease")
        assert house.ask(house.base).served_by == "base", "which needs no lease"

        formulary.start_control()
        until(lambda: told[-1].status == 200, seconds=30)
    until(lambda: formulary.node.call("POST", "generate", on_node).status_code == 200)
    assert AuditEvent.objects.filter(action="replica.ready").count() == 1, "it stayed loaded"
