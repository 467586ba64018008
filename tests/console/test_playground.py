"""The playground: both versions answer, under the gateway's rule, and nothing is kept unasked."""

import json
from datetime import timedelta

import httpx
import pytest
from django.test import Client

from compliance.models import AuditEvent, Permission
from config.accounts.models import RoleGrant
from config.core import clock, keys
from serving.models import Answer, Feedback, Rollout
from serving.services import feedback
from tests.factories import accounts
from tests.factories import gateway as make
from tests.factories.playground import lab

pytestmark = pytest.mark.django_db(transaction=True)
NOTE = "Old man, chest pain since this morning"


@pytest.fixture
def person(db):
    return accounts.engineer(username="ada")


@pytest.fixture
def room(transactional_db, tmp_path, person):
    with lab(tmp_path, person) as made:
        yield made


@pytest.fixture
def slow_room(transactional_db, tmp_path, person):
    with lab(tmp_path, person, token_latency_ms=500) as made:  # twenty seconds for an answer
        yield made


def _browser(room, user):
    signed_in = Client()
    signed_in.force_login(user, backend="config.accounts.backends.RoleBackend")
    cookies = {"sessionid": signed_in.cookies["sessionid"].value, "csrftoken": "x" * 32}
    headers = {"X-CSRFToken": "x" * 32, "Referer": room.url}
    return httpx.Client(base_url=room.url, cookies=cookies, headers=headers, timeout=20)


def _asked(room, **values):
    return {
        "deployment": room.deployment.public_name,
        "candidate": str(room.candidate.uuid),
        "text": NOTE,
        "max_tokens": 64,
        "temperature": 0,
        **values,
    }


def _events(answer):
    blocks = [block for block in answer.text.split("\n\n") if block]
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def _by_side(events, kind):
    return {event["side"]: event for event in events if event["type"] == kind}


def _ask(browser, room, **values):
    answer = browser.post("/console/playground/answers", json=_asked(room, **values))
    assert answer.status_code == 200, answer.text
    return _events(answer)


def test_both_answer_and_each_says_who_it_is(room, person):
    with _browser(room, person) as browser:
        events = _ask(browser, room)
    begun, ended = _by_side(events, "begun"), _by_side(events, "ended")
    assert begun["stable"]["version"] == room.stable.runtime_name
    assert begun["canary"]["version"] == room.candidate.runtime_name
    said = "".join(e["text"] for e in events if e["type"] == "text" and e["side"] == "stable")
    assert said == "amber, medicine, see a nurse"
    assert ended["canary"]["tokens"] > 1
    assert ended["canary"]["finish"] == "stop"


def test_nothing_is_stored_and_nothing_is_evidence(room, person, caplog):
    with _browser(room, person) as browser:
        before = AuditEvent.objects.count()
        _ask(browser, room)
    assert Answer.objects.count() == Feedback.objects.count() == 0
    assert AuditEvent.objects.count() == before
    assert Rollout.objects.get().requests_count == 0
    assert NOTE not in caplog.text


def test_a_report_keeps_the_texts_only_where_it_is_said(room, person):
    with _browser(room, person) as browser:
        ended = _by_side(_ask(browser, room), "ended")["stable"]
        events = _ask(browser, room)
        begun, ended = _by_side(events, "begun"), _by_side(events, "ended")
        bare = {"answer_id": begun["canary"]["answer_id"], "category": "wrong"}
        assert browser.post("/console/playground/report", json=bare).status_code == 200
        whole = {
            "answer_id": begun["stable"]["answer_id"],
            "category": "harmful",
            "note": "no word of the pain",
            "keep": True,
            "text": NOTE,
            "answer": "amber, medicine, see a nurse",
            "seal": ended["stable"]["seal"],
        }
        forged = browser.post("/console/playground/report", json={**whole, "answer": "green"})
        assert forged.status_code == 400
        assert NOTE not in forged.text
        assert browser.post("/console/playground/report", json=whole).status_code == 200
        again = browser.post("/console/playground/report", json=whole)
    assert "reported before" in again.json()["said"]
    short = Feedback.objects.get(answer_id=bare["answer_id"])
    assert (short.category, short.text_encrypted, short.rollout) == ("wrong", None, None)
    kept = Feedback.objects.get(answer_id=whole["answer_id"])
    assert (kept.is_bad, kept.digest, kept.reported_by) == (True, room.stable.digest, "ada")
    assert b"pain" not in bytes(kept.text_encrypted)
    told = json.loads(keys.decrypt(bytes(kept.text_encrypted)))
    assert told == {
        "note": "no word of the pain",
        "prompt": NOTE,
        "answer": "amber, medicine, see a nurse",
    }


def test_texts_of_reports_are_forgotten_after_thirty_days(room, person):
    for days in (29, 31):
        Feedback.objects.create(
            answer_id=f"ans_{days}",
            deployment=room.deployment,
            digest=room.stable.digest,
            arm="stable",
            is_bad=True,
            text_encrypted=keys.encrypt("a text"),
            reported_by="ada",
            at=clock.now() - timedelta(days=days),
        )
    assert feedback.forget_texts() == 1
    assert Feedback.objects.get(answer_id="ans_31").text_encrypted is None
    assert Feedback.objects.get(answer_id="ans_29").text_encrypted is not None


def test_a_stop_ends_one_side_and_leaves_the_other(slow_room, person):
    room = slow_room
    with _browser(room, person) as browser:
        seen = []
        with browser.stream("POST", "/console/playground/answers", json=_asked(room)) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                seen.append(json.loads(line.removeprefix("data: ")))
                if (seen[-1]["type"], seen[-1]["side"]) == ("begun", "canary"):
                    make.stop(room.candidate.digest)
    assert _by_side(seen, "failed")["canary"]["code"] == "stopped"
    assert "stable" in _by_side(seen, "ended")


def test_hanging_up_frees_both_sides_at_once(slow_room, person):
    room = slow_room
    with _browser(room, person) as browser:
        with browser.stream("POST", "/console/playground/answers", json=_asked(room)) as answer:
            lines = answer.iter_lines()
            while "canary" not in next(lines):
                pass
            assert any(row["refs"] for row in room.node.call("GET", "status")["loaded"])
        # Without the hang-up the answer would take twenty seconds.
        make.until(
            lambda: not any(row["refs"] for row in room.node.call("GET", "status")["loaded"]),
            seconds=15,
        )


def test_only_what_may_answer_can_be_asked(room, person):
    with _browser(room, person) as browser:
        Permission.objects.filter(version=room.candidate).update(ended_at=clock.now())
        make.bump()
        gone = browser.post("/console/playground/answers", json=_asked(room))
        assert gone.status_code == 409
        assert "may not answer any more" in gone.text
        page = browser.get("/console/playground/").text
        assert "none may answer" in page
        make.stop(room.stable.digest)

        def refused():
            events = _ask(browser, room, candidate="")
            failed = _by_side(events, "failed").get("stable")
            return failed and failed["code"] == "stopped"

        make.until(refused)
        assert "stopped everywhere" in browser.get("/console/playground/").text


def test_texts_and_limits_are_looked_at(room, person):
    with _browser(room, person) as browser:

        def status(**values):
            path = "/console/playground/answers"
            content = json.dumps(_asked(room, **values))  # escapes what is half a character
            return browser.post(path, content=content).status_code

        assert status(text="  ") == 400
        assert status(text="x" * 20_001) == 400
        assert status(text="half \ud83d") == 400
        assert status(max_tokens=0) == 400
        assert status(temperature=9) == 400
        assert status(deployment="nowhere") == 404
        assert browser.get("/console/playground/answers?text=x").status_code == 405
        bare = browser.post(
            "/console/playground/answers", json=_asked(room), headers={"X-CSRFToken": "y"}
        )
        assert bare.status_code == 403


def test_without_a_role_nobody_asks(room, person):
    RoleGrant.objects.filter(user=person).update(ended_at=clock.now())
    with _browser(room, person) as browser:
        answer = browser.post("/console/playground/answers", json=_asked(room))
        assert answer.status_code in {302, 403}
