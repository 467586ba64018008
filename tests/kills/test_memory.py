"""The main job while one process after another is killed in the middle of what it does.

One Formulary runs through the module; each test goes on where the one before has ended, with the
state that a run without kills has at that point.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from compliance.models import (
    AuditEvent,
    Checkpoint,
    CheckRun,
    EvaluationRun,
    Permission,
    Restore,
    Signature,
    Stop,
)
from compliance.selectors.checkpoints import newest_file, read_file
from config.accounts.roles import Role
from registry.models import AliasMove, Version
from serving.models import Replica
from tests.factories import registry as make
from tests.flows import notes
from tests.flows.job import ENDED, MODEL, Job
from tests.flows.people import Person, done, refused
from tests.flows.waiting import until
from tests.invariants import check
from tests.kills import points
from tests.kills.callers import MOST_SECONDS, Callers, is_answered, require_ends
from tests.kills.ledger import require_exact
from tests.kills.points import strike, strike_all
from tests.kills.running import Running, database_url

pytestmark = pytest.mark.xdist_group("kills-memory")
# Decided by a handful of answers: what is looked at here is the kills and not the judgement.
POLICY = {
    "stages": [50],
    "comparison_margin": 0.2,
    "max_failure_rate": 0.9,
    "report_rule": "watch",
    "least_canary_answers": 2,
    "max_requests": 1_000_000,
    "fallbacks": [],
}
RIGHT = {"v1": 165, "v2": 180}
"""Answers of both sets that are right in a run without kills (tests/flows/test_main_job.py)."""


class Kills:
    """The job's people, and what they do while somebody is killed."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.job = Job(running)  # type: ignore[arg-type] - its url and base are what is used
        self.pool = ThreadPoolExecutor(4)
        self.callers = Callers(running.url, MODEL, self.job.token, notes.pool(60))

    def trying(self, act: Callable[[], httpx.Response]) -> "Future[httpx.Response | None]":
        """Start a request that may be cut: its answer, or None for a closed connection."""

        def run() -> httpx.Response | None:
            try:
                return act()
            except httpx.TransportError:
                return None

        return self.pool.submit(run)

    def upload(self, name: str) -> httpx.Response:
        label = {"purpose": "Sorts notes for the front desk", "population": notes.ALL_AGES}
        package = notes.package(name, base_name=self.running.base.slug)
        return self.job.engineer.api.post(
            "adapters/triage/versions",
            data={"version_name": name, "label": f"{label}".replace("'", '"')},
            files=[("files", item) for item in package.items()],
        )

    def cut(self, act: Callable[[], httpx.Response], point: points.KillPoint) -> None:
        """Send a request and kill who holds it: it ends within 30 s, with a closed connection."""
        self.running.arm(point.failpoint)
        request = self.trying(act)
        strike(self.running, point)
        assert request.result(MOST_SECONDS) is None, "who was killed can't have answered"
        self.running.await_web()

    def begin(self, version: str, listed: Sequence[points.KillPoint]) -> str:
        """Start a rollout, killing at each of ``listed``; its uuid."""
        body = {"deployment": MODEL, "version": self.job.versions[version]["uuid"]}
        made: list[str] = []

        def start() -> None:
            made.append(done(self.job.operator.api.post("rollouts", json=body))["uuid"])

        if listed:
            strike_all(self.running, listed, start)
        else:
            start()
            weight = f"rollouts/{made[0]}"
            until(lambda: done(self.job.operator.api.get(weight))["weight_percent"], seconds=120)
        return made[0]

    def end_of(self, rollout: str) -> dict[str, Any]:
        """The rollout once it has ended, or waits for a person."""

        def look() -> dict[str, Any] | None:
            found = done(self.job.operator.api.get(f"rollouts/{rollout}"))
            return found if found["state"] in ENDED else None

        found: dict[str, Any] = until(look, seconds=240)
        return found

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Requests meanwhile: each ends in time, and no answer is of two versions."""
        before = len(self.callers.asked)
        with self.callers.asking():
            yield
            # What was killed may have come back just now, and a caller look again in a moment.
            until(lambda: is_answered(self.callers.asked[before:]), seconds=MOST_SECONDS)
        by_name = {self.job.name(version): version for version in self.job.versions}
        require_ends(
            self.callers.asked[before:],
            lambda version, each: each.text == notes.says(by_name[version], each.note),
        )

    def agrees(self) -> None:
        """Everything routable is answered, nothing else; each transition has its one event."""
        at = {"url": self.running.url, "token": self.job.token, "database_url": database_url()}
        assert not Restore.objects.exists(), "a kill is no restore"
        check.await_agreement(**at)
        assert check.disagreements(**at) == []
        require_exact()


@pytest.fixture(scope="module")
def kills(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Kills:
    base = make.base_folder(tmp_path_factory.mktemp("base") / "tiny")
    running = start(base=base, engine="memory")
    running.start()
    made = Kills(running)
    made.job.open_adapter()
    return made


def test_uploads_and_their_checks(kills: Kills) -> None:
    running, job = kills.running, kills.job
    for point in points.UPLOAD[:2]:
        kills.cut(lambda: kills.upload("v1"), point)
        assert not Version.objects.exists(), "a version is there whole or not at all"
    running.arm("checks.begun")
    kills.cut(lambda: kills.upload("v1"), points.UPLOAD[2])
    strike_all(running, points.CHECKS, lambda: None)
    again = kills.upload("v1")
    assert again.status_code == 200, "the same bytes again are the version that is there"
    job.versions["v1"] = done(again)
    run = until(lambda: CheckRun.objects.filter(kind="package", state="done").first(), seconds=90)
    assert not run.is_blocked
    runs = CheckRun.objects.all()
    until(lambda: not runs.exclude(state="done").exists(), seconds=90)
    # The worker may have had two of them when it was killed.
    taken = AuditEvent.objects.filter(action="check_run.taken_over").count()
    assert taken >= len(points.CHECKS)
    assert sum(each.attempts for each in runs) == len(runs) + taken
    require_exact()


def test_a_load_and_an_evaluation(kills: Kills) -> None:
    running, job = kills.running, kills.job
    body = {
        "version": job.versions["v1"]["uuid"],
        "evaluation_set": job.sets["adults"]["uuid"],
    }
    strike_all(
        running,
        (*points.FIRST_LOAD, *points.EVALUATION),
        lambda: done(job.engineer.api.post("evaluations", json=body)),
    )
    assert job.evaluate("v1", "adults", "children") == RIGHT["v1"]
    run = EvaluationRun.objects.order_by("pk")[0]
    taken = AuditEvent.objects.filter(action="evaluation.taken_over", object_id=str(run.uuid))
    # A worker whose machine stood still for seconds is taken for dead, too.
    assert run.attempt == 1 + taken.count() >= 1 + len(points.EVALUATION)
    assert run.rows.count() == run.evaluation_set.items_count
    replica = Replica.objects.get()
    assert replica.failures_count == 0
    # Nobody wishes for it after the last evaluation: it may be on its way out.
    assert replica.state in {"ready", "unloading", "unloaded"}
    lost = AuditEvent.objects.filter(action="replica.claim_lost").count()
    assert lost >= len(points.FIRST_LOAD)
    require_exact()


def test_signatures(kills: Kills) -> None:
    job, url = kills.job, kills.running.url
    request = done(job.ask_approval("v1"))
    reviewer, approver = Person(url, Role.REVIEWER), Person(url, Role.CLINICAL_REVIEWER)
    kills.cut(lambda: reviewer.sign(request, "reviewed_technical"), points.SIGNING[0])
    assert not Signature.objects.exists(), "what was not committed was not signed"
    done(Person(url, Role.REVIEWER).sign(request, "reviewed_technical"))
    kills.cut(lambda: approver.sign(request, "approved"), points.SIGNING[1])
    seen = done(job.engineer.api.get(f"approval-requests/{request['uuid']}"))
    assert seen["state"] == "approved", "what was committed is signed, whoever heard of it"
    assert Signature.objects.count() == 2
    assert Permission.objects.filter(purpose="serve", ended_at=None).count() == 1
    second = Person(url, Role.CLINICAL_REVIEWER).sign(request, "approved")
    refused(second, 409, "approval-request-closed")
    require_exact()


def test_a_second_load_on_a_node_that_dies(kills: Kills) -> None:
    job = kills.job
    job.submit("v2")
    body = {
        "version": job.versions["v2"]["uuid"],
        "evaluation_set": job.sets["adults"]["uuid"],
    }
    strike_all(
        kills.running,
        points.SECOND_LOAD,
        lambda: done(job.engineer.api.post("evaluations", json=body)),
    )
    assert job.evaluate("v2", "adults", "children") == RIGHT["v2"]
    job.approve("v2")
    require_exact()


def test_a_first_rollout(kills: Kills) -> None:
    job = kills.job
    body = {"public_name": MODEL, "adapter": "triage", "policy": POLICY}
    done(job.operator.api.post("deployments", json=body))
    rollout = kills.begin("v1", points.FIRST_ROLLOUT)
    assert kills.end_of(rollout)["state"] == "promoted"
    assert job.live() == job.name("v1")
    assert AliasMove.objects.filter(name="live").count() == 1
    kills.agrees()


def test_a_canary_under_traffic(kills: Kills) -> None:
    job = kills.job
    with kills.traffic():
        rollout = kills.begin("v2", points.CANARY)
        assert kills.end_of(rollout)["state"] == "promoted"
    assert job.live() == job.name("v2")
    assert AliasMove.objects.filter(name="live").count() == 2
    kills.agrees()


def test_a_node_that_is_killed_and_its_replicas_proofs(kills: Kills) -> None:
    running = kills.running
    with kills.traffic():
        for listed in (points.FIRST_RELOAD, points.SECOND_RELOAD):
            strike_all(running, listed, lambda: os.kill(running.pid_of("node"), signal.SIGKILL))
            running.await_web()
            until(lambda: kills.job.ask().status_code == 200, seconds=120)
    kills.agrees()


def test_a_stop_and_the_rollback_that_follows(kills: Kills) -> None:
    running, job = kills.running, kills.job
    digest = job.versions["v1"]["digest"]
    # Without traffic nothing is decided: the canary is still there when it is stopped.
    rollout = kills.begin("v1", ())
    officer = Person(running.url, Role.COMPLIANCE_OFFICER)
    stop = {"digest": digest, "reason": "a kill test"}
    listed, recorded = points.STOP
    # What is on the list is obeyed, whether it is said again or not.
    running.arm(points.ROLLBACK[0].failpoint)
    # A stopped version leaves the node whether its rollout has been undone or not yet.
    running.arm(points.UNLOAD[0].failpoint)
    running.arm(listed.failpoint)
    request = kills.trying(lambda: officer.api.post("stops", json=stop))
    strike(running, listed)
    assert request.result(MOST_SECONDS) is None
    # Brought back from the list within seconds; traffic before that could decide the canary.
    stops = Stop.objects.filter(digest=digest, released_at=None)
    until(stops.exists, seconds=60)
    with kills.traffic():
        strike_all(running, (*points.ROLLBACK, *points.UNLOAD), lambda: None)
        running.await_web()
        kills.cut(lambda: officer.api.post("stops", json=stop), recorded)
        ended = kills.end_of(rollout)
        until(lambda: job.ask().status_code == 200, seconds=60)
    assert (ended["state"], ended["trigger"]) == ("rolled_back", "stopped")
    assert stops.count() == 1
    until(lambda: Replica.objects.get(digest=digest).state == "unloaded", seconds=90)
    assert job.live() == job.name("v2")
    kills.agrees()


def test_sealing_and_checkpoints(kills: Kills) -> None:
    running, job = kills.running, kills.job
    body = {"name": "Other", "base_model": running.base.slug, "safety_class": "A"}
    # Each checkpoint needs something new to sign.
    acts = (points.SEALING, *((point,) for point in points.CHECKPOINTS))
    for number, listed in enumerate(acts):
        adapter = {**body, "slug": f"other-{number}"}
        act = partial(job.engineer.api.post, "adapters", json=adapter)
        strike_all(running, listed, lambda act=act: done(act()))
        require_exact()
    newest = Checkpoint.objects.order_by("-size")[0]

    def is_written() -> bool:
        found = newest_file()
        return found is not None and read_file(found).head.size >= newest.size

    # Its row is committed before its file is written.
    until(is_written, seconds=30)
    kills.agrees()
