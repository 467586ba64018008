"""The first page: whose turn it is, what is live, what is wrong."""

from datetime import timedelta

import pytest

from compliance.models import ApprovalRequest, Record
from compliance.services import stops
from config.accounts.selectors import actor_of
from config.accounts.services import people
from config.core import clock
from config.core.actors import SYSTEM
from config.core.digests import sha256_hex
from serving.services import heartbeats
from serving.services.alerting import Watch
from tests.factories import accounts, console

pytestmark = pytest.mark.django_db(transaction=True)


def _request(world, version):
    """A request on a made-up record: this page does not read it."""
    record = Record.objects.create(
        sha256=sha256_hex(version.digest.encode()), record_schema=1, content="{}"
    )
    return ApprovalRequest.objects.create(
        version=version,
        revision=1,
        record=record,
        required_meanings=["reviewed_technical", "approved"],
        requested_by=world.engineer,
    )


def _text(answer):
    assert answer.status_code == 200
    return answer.content.decode().replace("&#x27;", "'")


def test_an_empty_house_says_how_to_begin(world, as_user):
    text = _text(as_user(world.operator).get("/console/"))
    assert "Nothing waits for you, and nothing is wrong." in text
    assert "An operator opens a deployment" in text
    assert "manage.py serve_node" in text


def test_only_whose_turn_it_is_has_it_in_the_queue(world, as_user):
    version = console.version(world, name="v1", checked=False)
    _request(world, version)
    mine = "1 thing waits for you"
    assert mine in _text(as_user(world.reviewer).get("/console/"))
    clinician = _text(as_user(world.clinician).get("/console/"))
    assert mine not in clinician
    assert "1 waiting for others" in clinician


def test_an_author_with_a_second_account_is_not_asked(world, as_user):
    twin = accounts.user(accounts.Role.REVIEWER, username="ada2", of=world.engineer.person)
    version = console.version(world, name="v1", checked=False)
    _request(world, version)
    assert "1 waiting for others" in _text(as_user(twin).get("/console/"))


def test_an_engineer_sees_what_to_mend(world, as_user):
    console.version(world, name="v1")
    text = _text(as_user(world.engineer).get("/console/"))
    assert "Triage assistant v1: a check blocks it" in text


def test_what_is_wrong_is_said_first(world, as_user):
    version = console.version(world, name="v1", checked=False)
    console.node(world, seen_seconds_ago=120)
    stops.issue(
        digest=version.digest,
        reason="odd answers",
        user=world.operator,
        actor=actor_of(world.operator),
    )
    with clock.frozen_at(clock.now() + timedelta(minutes=1)):
        heartbeats.beat(name=heartbeats.CONTROL, duties={})
        Watch().look()
        text = _text(as_user(world.operator).get("/console/"))
    assert "Triage assistant v1 is stopped everywhere." in text
    assert "odd answers" in text
    assert "The node node-1 does not answer." in text
    assert "not sealed in time." in text
    assert "3 things are wrong" in text


def test_a_silent_control_loop_is_noticed_without_it(world, as_user):
    with clock.frozen_at(clock.now() + timedelta(seconds=16)):
        text = _text(as_user(world.operator).get("/console/"))
    assert "The control process does not run" in text
    assert "/docs/runbooks/control-down" in text
    assert "1 thing is wrong" in text


def test_live_deployments_count_what_they_answered(world, as_user):
    v1 = console.version(world, name="v1", checked=False)
    v2 = console.version(world, name="v2", checked=False)
    deployment = console.deployment(world, stable=v1)
    rollout = console.rollout(world, deployment, v2)
    console.answers(rollout, stable=40, canary=10, broken=2)
    text = _text(as_user(world.operator).get("/console/"))
    assert "50 answers, 2 not in order, 0 reported as wrong" in text
    assert "answers everyone but 20 %" in text
    assert "1 rollout is under way." in text


def test_who_is_not_signed_in_is_led_to_the_sign_in(client, db):
    answer = client.get("/console/rollouts/?state=open", follow=True)
    assert answer.redirect_chain[-1][0] == (
        "/accounts/login/?next=%2Fconsole%2Frollouts%2F%3Fstate%3Dopen"
    )


def test_an_account_of_a_program_is_told_that_it_has_no_console(as_user, db):
    program = people.create_program_account(username="hospital-app", actor=SYSTEM)
    answer = as_user(program).get("/console/", follow=True)
    assert answer.status_code == 403
    assert "has no console" in answer.content.decode()
