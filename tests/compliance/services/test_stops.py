"""Stopping takes one person and no database; releasing takes two persons."""

import json
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from compliance.errors import ReleaseRefused
from compliance.models import AuditEvent, Epoch, Stop
from compliance.selectors import epoch, is_stopped, stopped_digests
from compliance.services import epochs, stop_list, stops
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.errors import Conflict, Forbidden, Invalid
from tests.factories import accounts

pytestmark = pytest.mark.django_db
DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """The list of stops lies in a folder of this test."""


@pytest.fixture
def operator() -> User:
    return accounts.user(Role.OPERATOR)


def _stop(user: User, digest: str = DIGEST, reason: str = "wrong dose") -> Stop:
    return stops.issue(digest=digest, reason=reason, user=user, actor=actor_of(user))


def _ask(stop: Stop, user: User) -> Stop:
    return stops.ask_release(stop=stop, reason="checked", user=user, actor=actor_of(user))


def _release(stop: Stop, user: User) -> Stop:
    return stops.release(stop=stop, user=user, actor=actor_of(user))


def test_one_person_stops_a_digest_that_nobody_knows(operator: User, home: Path) -> None:
    before = epoch()
    _stop(operator)
    assert stopped_digests() == frozenset({DIGEST})
    assert epoch() == (before[0] + 1, before[1] + 1)
    entry, kept = (json.loads(line) for line in (home / "stops.jsonl").read_text().splitlines())
    assert (kept["act"], kept["epoch"]) == ("kept", epoch()[1])
    assert (entry["act"], entry["digest"], entry["by"]) == ("stop", DIGEST, operator.username)
    event = AuditEvent.objects.get(action="stop.issued")
    assert (event.object_id, event.actor_name) == (DIGEST, operator.username)


@pytest.mark.parametrize("role", [Role.ML_ENGINEER, Role.REVIEWER, Role.COMPLIANCE_OFFICER])
def test_every_role_at_work_may_stop(role: Role) -> None:
    _stop(accounts.user(role))
    assert is_stopped(DIGEST)


def test_a_program_may_not_stop(home: Path) -> None:
    with pytest.raises(Forbidden, match="operator"):
        _stop(accounts.user(Role.APPLICATION))
    assert not (home / "stops.jsonl").exists()
    assert AuditEvent.objects.filter(action="stop.refused").count() == 1


@pytest.mark.parametrize("digest, reason", [("ab", "x"), ("AB" * 32, "x"), (DIGEST, "  ")])
def test_a_stop_names_the_whole_digest_and_a_reason(
    operator: User, digest: str, reason: str
) -> None:
    with pytest.raises(Invalid):
        _stop(operator, digest, reason)


@pytest.mark.parametrize("reason", ["a\0b", "a\ud800b"])
def test_a_reason_that_nothing_can_store_reaches_neither_list(
    operator: User, home: Path, reason: str
) -> None:
    with pytest.raises(Invalid, match="The reason holds"):
        _stop(operator, DIGEST, reason)
    assert not (home / "stops.jsonl").exists()
    assert AuditEvent.objects.filter(action="stop.refused").count() == 1


def test_a_listed_reason_that_can_not_be_stored_hides_no_stop(home: Path) -> None:
    line = {"act": "stop", "digest": DIGEST, "reason": "a\0b\ud800c"}
    home.mkdir(exist_ok=True)
    (home / "stops.jsonl").write_text(json.dumps(line) + "\n")
    assert stops.unite() == 1
    assert is_stopped(DIGEST)
    assert Stop.objects.get().reason == "a\ufffdb?c"


def test_stopping_twice_is_one_stop(operator: User) -> None:
    assert _stop(operator).pk == _stop(operator).pk
    assert AuditEvent.objects.filter(action="stop.repeated").count() == 1


def test_two_persons_release(operator: User, home: Path) -> None:
    stop = _stop(operator)
    _ask(stop, operator)
    assert is_stopped(DIGEST)
    _release(stop, accounts.user(Role.OPERATOR))
    assert not is_stopped(DIGEST)
    assert stop_list.stopped() == {}
    with pytest.raises(Conflict):
        _release(stop, accounts.user(Role.OPERATOR))
    assert _stop(operator).pk != stop.pk


def test_who_asked_can_not_release_by_another_account_either(operator: User) -> None:
    stop = _ask(_stop(operator), operator)
    for user in (operator, accounts.user(Role.OPERATOR, of=operator.person)):
        with pytest.raises(ReleaseRefused, match="second person"):
            _release(stop, user)
    assert is_stopped(DIGEST)
    assert AuditEvent.objects.filter(action="stop.release_refused").count() == 2


def test_nobody_releases_what_nobody_asked_for(operator: User) -> None:
    stop = _stop(operator)
    with pytest.raises(ReleaseRefused, match="first person asks"):
        _release(stop, accounts.user(Role.OPERATOR))


def test_a_release_is_asked_for_once(operator: User) -> None:
    stop = _ask(_stop(operator), operator)
    with pytest.raises(Conflict):
        _ask(stop, accounts.user(Role.OPERATOR))


def test_a_restored_backup_does_not_revive_a_stopped_digest(operator: User, home: Path) -> None:
    stopped_at = clock.now()
    with clock.frozen_at(stopped_at):
        _stop(operator)
    Stop.objects.all().delete()
    with (home / "stops.jsonl").open("a") as stream:
        stream.write('{"act": "stop", "dig')  # the power went while this line was written
    assert not is_stopped(DIGEST)
    with clock.frozen_at(stopped_at + stops.UNDER_WAY * 0.9):
        assert stops.unite() == 0, "a younger line may be of a stop that is under way"
    with clock.frozen_at(stopped_at + stops.UNDER_WAY):
        assert stops.unite() == 1
        assert stops.unite() == 0
    event = AuditEvent.objects.get(action="stop.brought_back")
    assert (event.object_id, event.actor_name) == (DIGEST, "formulary")
    assert is_stopped(DIGEST)
    assert Stop.objects.get().reason == "wrong dose"
    _stop(operator, "cd" * 32)
    assert set(stop_list.stopped()) == {DIGEST, "cd" * 32}


def test_a_stop_is_kept_where_the_database_fails(operator: User, home: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE compliance_stop RENAME TO gone")
    with pytest.raises(DatabaseError), transaction.atomic():
        _stop(operator)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gone RENAME TO compliance_stop")
    with clock.frozen_at(clock.now() + stops.UNDER_WAY):
        assert stops.unite() == 1
    assert is_stopped(DIGEST)


def test_a_release_without_its_line_is_not_taken_back(operator: User, home: Path) -> None:
    _release(_ask(_stop(operator), operator), accounts.user(Role.OPERATOR))
    lines = (home / "stops.jsonl").read_text().splitlines()
    (home / "stops.jsonl").write_text("\n".join(lines[:-1]) + "\n")  # killed before the last line
    with clock.frozen_at(clock.now() + stops.UNDER_WAY):
        assert stops.unite() == 0
    assert not is_stopped(DIGEST)
    assert stop_list.stopped() == {}


def test_what_was_released_after_the_backup_waits_for_two_persons_anew(operator: User) -> None:
    stop = _stop(operator)
    _release(_ask(stop, operator), accounts.user(Role.OPERATOR))
    # As the backup has it: stopped, and nobody has asked.
    Stop.objects.filter(pk=stop.pk).update(
        release_asked_by=None, release_asked_at=None, released_by=None, released_at=None
    )
    with clock.frozen_at(clock.now() + stops.UNDER_WAY):
        assert stops.unite() == 0
    assert is_stopped(DIGEST)
    with pytest.raises(ReleaseRefused):
        _release(stop, accounts.user(Role.OPERATOR))


def test_the_count_goes_on_above_what_the_list_has_seen(operator: User) -> None:
    _stop(operator)
    seen = epoch()[1]
    Epoch.objects.update(stops=0)
    stops.unite()
    assert epoch()[1] > seen
    assert not epochs.lift_stops(above=epoch()[1] + epochs.MOST_AHEAD + 1), "nobody can be so far"
