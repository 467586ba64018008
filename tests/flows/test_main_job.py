"""The main job over HTTP, as users do it: upload, check, evaluate, approve, deploy, roll back."""

import re
import time

from compliance.models import AuditEvent
from serving.models import Answer
from serving.states import FailureKind
from tests.flows import notes
from tests.flows.job import MODEL, Job
from tests.flows.people import done, refused
from tests.flows.traffic import Outcome
from tests.flows.waiting import until


def asked_since(job: Job, moment: float) -> list[Outcome]:
    return [outcome for outcome in list(job.traffic.outcomes) if outcome.asked_at > moment]


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
        # A gateway looks at the routes once a second; until then a canary's share may go on.
        job.formulary.await_gateway()
        settled_at = time.monotonic()
        until(lambda: len(asked_since(job, settled_at)) >= 50, seconds=60)
    assert (rollout["state"], rollout["trigger"]) == ("rolled_back", "contract_broken")
    assert job.live() == job.name("v2")
    seen = as_it_must(job, job.traffic.of("v4"), "v2", "v4")
    assert seen["v4"] and not any(outcome.note.is_long for outcome in seen["v4"])
    as_it_must(job, asked_since(job, settled_at), "v2")

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
    job.trail_holds()
    events = done(job.officer.api.get("audit", params={"action": "approval.request_refused"}))
    reasons = " ".join(event["event"]["reason"] for event in events["results"])
    assert "CLN-04" in reasons and "CLN-02" in reasons
    assert AuditEvent.objects.filter(action="rollout.refused").count() == 1
    assert AuditEvent.objects.filter(action="rollout.rolled_back").count() == 1
