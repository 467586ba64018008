"""Who may not sign, and a stop that works everywhere and takes two persons to release."""

from compliance.models import AuditEvent
from config.accounts.roles import Role
from tests.factories.awake import awake_seconds
from tests.flows.job import MODEL, Job
from tests.flows.people import Person, done, refused
from tests.flows.waiting import until

STOP_SECONDS = 2.0


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
    job.trail_holds()


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
    with awake_seconds() as since_stopped:
        last = until(lambda: (found := job.ask()).status_code != 200 and found)
        assert since_stopped() < STOP_SECONDS
        assert (last.status_code, last.json()["error"]["code"]) == (403, "stopped"), last.text
        on_node = until(
            lambda: (
                (found := job.formulary.node.call("POST", "generate", lease)).status_code != 200
                and found
            )
        )
        assert since_stopped() < STOP_SECONDS
    # And by and by its lease ends, and it is unloaded.
    assert on_node.json()["code"] in {"stopped", "no_lease", "replica_unknown"}

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
    job.trail_holds()
