"""The main job over HTTP, as users do it: upload, check, evaluate, approve, deploy, roll back."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from compliance.models import AuditEvent
from config.accounts.roles import Role
from serving.models import Answer
from serving.states import FailureKind
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.gateway import until
from tests.flows import notes
from tests.flows.formulary import Formulary
from tests.flows.people import Person, done, refused
from tests.flows.traffic import Outcome, Traffic

MODEL = "triage"
STOP_SECONDS = 2.0
ENDED = {"promoted", "rolled_back", "aborted", "paused"}


class Job:
    """The people, and each step through the door that they have for it."""

    def __init__(self, formulary: Formulary) -> None:
        self.formulary, self.url = formulary, formulary.url
        self.engineer = Person(self.url, Role.ML_ENGINEER)
        self.operator = Person(self.url, Role.OPERATOR)
        self.officer = Person(self.url, Role.COMPLIANCE_OFFICER)
        self.token = accounts.token_text(accounts.user(Role.APPLICATION))
        self.versions: dict[str, dict[str, Any]] = {}
        self.sets: dict[str, dict[str, Any]] = {}
        self.traffic = Traffic(self.url, MODEL, self.token, notes.pool(60))

    def name(self, version: str) -> str:
        return str(self.versions[version]["runtime_name"])

    def open_adapter(self) -> None:
        body = {
            "slug": "triage",
            "name": "Triage",
            "base_model": self.formulary.base.slug,
            "safety_class": "A",
        }
        done(self.engineer.api.post("adapters", json=body))
        for name, age_group, count in (("adults", "adult", 120), ("children", "child", 60)):
            self.sets[name] = done(
                self.engineer.api.post(
                    "evaluation-sets",
                    data={
                        "name": name,
                        "version_name": "1",
                        "prompt_template": json.dumps(notes.TEMPLATE),
                        "grader": "exact_match",
                        "max_tokens": "6",
                        "group_fields": json.dumps(["age_group"]),
                    },
                    files={"items": ("items.jsonl", notes.items(age_group, count))},
                )
            )

    def submit(self, name: str) -> None:
        """Upload, and wait for the checks of the package."""
        label = {"purpose": "Sorts notes for the front desk", "population": notes.ALL_AGES}
        package = notes.package(name, base_name=self.formulary.base.slug)
        self.versions[name] = done(
            self.engineer.api.post(
                "adapters/triage/versions",
                data={"version_name": name, "label": json.dumps(label)},
                files=[("files", item) for item in package.items()],
            )
        )
        run = until(lambda: self._ended_check(name), seconds=30)
        assert not run["is_blocked"], run

    def _ended_check(self, name: str) -> dict[str, Any] | None:
        query = {"version": self.versions[name]["uuid"]}
        runs = done(self.engineer.api.get("checks", params=query))["results"]
        ended = [r for r in runs if r["kind"] == "package" and r["state"] in {"done", "failed"}]
        return ended[0] if ended else None

    def evaluate(self, name: str, *sets: str) -> int:
        """Run the sets through the version on the node; how many answers were right."""
        right = 0
        for each in sets:
            body = {
                "version": self.versions[name]["uuid"],
                "evaluation_set": self.sets[each]["uuid"],
            }
            path = f"evaluations/{done(self.engineer.api.post('evaluations', json=body))['uuid']}"
            until(lambda p=path: self._is_done(p), seconds=60)
            right += done(self.engineer.api.get(path))["correct_count"]
        return right

    def _is_done(self, path: str) -> bool:
        run = done(self.engineer.api.get(path))
        assert run["state"] != "failed", run
        return bool(run["state"] == "done")

    def ask_approval(self, name: str) -> httpx.Response:
        """Ask until the evidence checks have seen the newest rows."""

        def look() -> httpx.Response | None:
            body = {"version": self.versions[name]["uuid"]}
            answer = self.engineer.api.post("approval-requests", json=body)
            errors = answer.json().get("errors", [])
            is_waiting = any(error["check_id"] == "evidence" for error in errors)
            return None if is_waiting else answer

        found: httpx.Response = until(look, seconds=30)
        return found

    def approve(self, name: str) -> None:
        """Two people who were never asked before review and approve."""
        request = done(self.ask_approval(name))
        done(Person(self.url, Role.REVIEWER).sign(request, "reviewed_technical"))
        signed = done(Person(self.url, Role.CLINICAL_REVIEWER).sign(request, "approved"))
        assert signed["state"] == "approved"

    def bring(self, name: str, *sets: str) -> int:
        """Submit, evaluate and approve; how many answers of the sets were right."""
        self.submit(name)
        right = self.evaluate(name, *sets)
        self.approve(name)
        return right

    def roll_out(self, name: str) -> dict[str, Any]:
        """A rollout from its start to its end."""
        body = {"deployment": MODEL, "version": self.versions[name]["uuid"], "strategy": "canary"}
        path = f"rollouts/{done(self.operator.api.post('rollouts', json=body))['uuid']}"
        until(lambda: done(self.operator.api.get(path))["state"] in ENDED, seconds=120)
        return done(self.operator.api.get(path))

    def live(self) -> str:
        return str(done(self.operator.api.get(f"deployments/{MODEL}"))["stable_runtime_name"])

    def gate_errors(self, name: str) -> set[str]:
        problem = refused(self.ask_approval(name), 409, "gate-closed")
        assert all(error["fix"] for error in problem["errors"])
        return {error["check_id"] for error in problem["errors"]}

    def ask(self) -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/chat/completions",
            json={"model": MODEL, "messages": notes.pool(1)[0].messages},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )


@pytest.fixture
def job(formulary: Formulary, tmp_path: Path) -> Job:
    formulary.start(engine="memory", base=make.base_folder(tmp_path / "tiny"), slots=6)
    formulary.start_workers()
    return Job(formulary)


def as_it_must(job: Job, outcomes: list[Outcome], *versions: str) -> dict[str, list[Outcome]]:
    """Every answer is whole, keeps the form, and is what its version says; sorted by version."""
    by_name = {job.name(version): version for version in versions}
    found: dict[str, list[Outcome]] = {version: [] for version in versions}
    for outcome in outcomes:
        assert (outcome.status, outcome.is_whole) == (200, True)
        assert re.fullmatch(notes.CONTRACT["pattern"], outcome.text)  # type: ignore[call-overload]
        version = by_name[outcome.version]
        assert outcome.text == notes.says(version, outcome.note)
        found[version].append(outcome)
    return found


def distinguishable(outcomes: list[Outcome], one: str, other: str) -> int:
    """Answers at which the two versions would have said something else."""
    return sum(notes.says(one, o.note) != notes.says(other, o.note) for o in outcomes)


def test_the_main_job(job: Job) -> None:
    job.open_adapter()
    assert job.bring("v1", "adults", "children") == 165
    done(
        job.operator.api.post(
            "deployments",
            json={
                "public_name": MODEL,
                "adapter": "triage",
                "output_contract": notes.CONTRACT,
                "policy": {"fallbacks": []},
            },
        )
    )
    assert job.ask().status_code in {403, 404}, "nothing is approved for this name yet"
    assert job.roll_out("v1")["state"] == "promoted"
    assert job.live() == job.name("v1")
    until(lambda: job.ask().status_code == 200)

    # A better version is promoted under traffic.
    assert job.bring("v2", "adults", "children") == 180
    with job.traffic.during("v2"):
        rollout = job.roll_out("v2")
    assert rollout["state"] == "promoted", rollout
    assert job.live() == job.name("v2")
    seen = as_it_must(job, job.traffic.of("v2"), "v1", "v2")
    assert min(len(outcomes) for outcomes in seen.values()) >= 50
    assert distinguishable(job.traffic.of("v2"), "v1", "v2") >= 50

    # One that names children and was not tried on any, then one that was and is bad at them.
    job.submit("v3")
    assert job.evaluate("v3", "adults") == 120
    assert "CLN-04" in job.gate_errors("v3")
    assert job.evaluate("v3", "children") < 30
    assert {"CLN-01", "CLN-02"} <= job.gate_errors("v3")
    body = {"deployment": MODEL, "version": job.versions["v3"]["uuid"]}
    refused(job.operator.api.post("rollouts", json=body), 403, "not-permitted")

    # One that passes every check and breaks the form on long notes.
    assert job.bring("v4", "adults", "children") == 180
    with job.traffic.during("v4"):
        rollout = job.roll_out("v4")
    assert (rollout["state"], rollout["trigger"]) == ("rolled_back", "contract_broken")
    assert job.live() == job.name("v2")
    seen = as_it_must(job, job.traffic.of("v4"), "v2", "v4")
    assert seen["v4"] and not any(outcome.note.is_long for outcome in seen["v4"])
    with job.traffic.during("after"):
        until(lambda: len(job.traffic.of("after")) >= 50, seconds=30)
    as_it_must(job, job.traffic.of("after"), "v2")

    broken = Answer.objects.filter(digest=job.versions["v4"]["digest"]).exclude(failure="")
    assert broken and all(
        (row.failure, row.was_replaced) == (FailureKind.CONTRACT_BROKEN, True) for row in broken
    )
    ids = set(broken.values_list("answer_id", flat=True))
    instead = Answer.objects.exclude(replaces_answer_id="")
    assert set(instead.values_list("replaces_answer_id", flat=True)) == ids
    assert set(instead.values_list("digest", flat=True)) == {job.versions["v2"]["digest"]}
    counts = done(job.operator.api.get(f"deployments/{MODEL}/counts"))
    assert (counts["failed"], counts["replaced_by_stable"]) == (0, len(ids))
    reported = [o for o in job.traffic.outcomes if o.text != o.note.right]
    assert counts["reported"] == len(reported) > 0

    history = done(job.engineer.api.get("adapters/triage/aliases/live/history"))["results"]
    moves = [(move["from_version"], move["to_version"]) for move in history]
    assert moves == [("v1", "v2"), (None, "v1")]
    _trail_holds(job)
    events = done(job.officer.api.get("audit", params={"action": "approval.request_refused"}))
    reasons = " ".join(event["event"]["reason"] for event in events["results"])
    assert "CLN-04" in reasons and "CLN-02" in reasons
    assert AuditEvent.objects.filter(action="rollout.refused").count() == 1
    assert AuditEvent.objects.filter(action="rollout.rolled_back").count() == 1


def _trail_holds(job: Job) -> None:
    """The chain verifies over the API and on the command line, with nothing left unsealed."""
    until(lambda: not AuditEvent.objects.filter(sequence=None).exists())
    assert done(job.officer.api.get("audit/verify"))["result"] == "clean"
    call_command("verify_audit")  # exits with 1 at the first bad entry


def test_who_may_not_sign_is_refused(job: Job) -> None:
    job.open_adapter()
    job.submit("v1")
    job.evaluate("v1", "adults", "children")
    request = done(job.ask_approval("v1"))
    path = f"approval-requests/{request['uuid']}"

    # The author, by himself and with a second account that has the role.
    other_self = Person(job.url, Role.REVIEWER, of=job.engineer.human)
    for person in (job.engineer, other_self):
        problem = refused(person.sign(request, "reviewed_technical"), 403, "signature-not-yours")
        assert "can't sign it" in problem["detail"]

    # One person with two accounts gives one signature.
    reviewer = Person(job.url, Role.REVIEWER)
    done(reviewer.sign(request, "reviewed_technical"))
    again = Person(job.url, Role.CLINICAL_REVIEWER, of=reviewer.human)
    problem = refused(again.sign(request, "approved"), 403, "signature-not-yours")
    assert "another person" in problem["detail"]

    # A token signs nothing, whoever holds it.
    clinician = Person(job.url, Role.CLINICAL_REVIEWER)
    by_token = clinician.api.post(f"{path}/sign", json={"meaning": "approved"})
    assert by_token.status_code == 403
    shown = done(clinician.api.get(path))
    assert (shown["state"], shown["next_meaning"]) == ("open", "approved")
    body = {"deployment": "nothing", "version": job.versions["v1"]["uuid"]}
    assert job.operator.api.post("rollouts", json=body).status_code == 404

    done(clinician.sign(request, "approved"))
    refusals = AuditEvent.objects.filter(action="signature.refused", object_id=request["uuid"])
    assert refusals.count() == 3
    names = set(refusals.values_list("actor_name", flat=True))
    people = (job.engineer, other_self, again)
    assert names == {person.user.username for person in people}
    _trail_holds(job)


def test_a_stop_works_everywhere_and_takes_two_to_release(job: Job) -> None:
    job.open_adapter()
    job.bring("v1", "adults", "children")
    body = {"public_name": MODEL, "adapter": "triage", "policy": {"fallbacks": []}}
    done(job.operator.api.post("deployments", json=body))
    assert job.roll_out("v1")["state"] == "promoted"
    until(lambda: job.ask().status_code == 200)
    lease = {"name": job.name("v1"), "prompt": "x", "max_tokens": 2}
    assert job.formulary.node.call("POST", "generate", lease).status_code == 200

    body = {"version": job.versions["v1"]["uuid"], "reason": "a wrong answer about a dose"}
    stop = done(job.operator.api.post("stops", json=body))
    stopped_at = time.monotonic()
    last = until(lambda: (found := job.ask()).status_code != 200 and found)
    assert time.monotonic() - stopped_at < STOP_SECONDS
    assert (last.status_code, last.json()["error"]["code"]) == (403, "stopped")
    on_node = until(
        lambda: (
            (found := job.formulary.node.call("POST", "generate", lease)).status_code != 200
            and found
        )
    )
    assert time.monotonic() - stopped_at < STOP_SECONDS
    assert on_node.json()["code"] in {"stopped", "replica_unknown"}, "and by and by unloaded"

    # Who asks for the release does not give it, nor does his second account.
    second = Person(job.url, Role.OPERATOR)
    path = f"stops/{stop['uuid']}"
    refused(second.post(f"{path}/release"), 403, "release-refused")
    done(second.post(f"{path}/ask-release", {"reason": "it was another version"}))
    second_self = Person(job.url, Role.COMPLIANCE_OFFICER, of=second.human)
    for person in (second, second_self):
        refused(person.post(f"{path}/release"), 403, "release-refused")
    assert job.ask().json()["error"]["code"] == "stopped"
    done(job.operator.post(f"{path}/release"))
    answer = until(lambda: (found := job.ask()).status_code == 200 and found, seconds=30)
    assert answer.headers["X-Formulary-Version"] == job.name("v1")
    assert AuditEvent.objects.filter(action="stop.release_refused").count() == 3
    _trail_holds(job)
