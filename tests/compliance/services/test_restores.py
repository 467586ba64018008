"""A restored database serves nothing until two persons have looked at what it lacks."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from compliance.errors import RestoreHeld, ResumeRefused
from compliance.models import AuditEvent, Checkpoint, Epoch, Permission, Restore
from compliance.selectors import epoch
from compliance.selectors.restores import is_held
from compliance.selectors.trail import explanations, find_rewrite
from compliance.services import audit, checkpoints, permissions, restores, sealing, stop_list
from compliance.services.verification import verify
from compliance.states import Purpose
from config.accounts.models import User
from config.accounts.roles import Role
from config.accounts.selectors import actor_of
from config.core import clock
from config.core.actors import SYSTEM
from config.core.errors import Conflict, Forbidden, Invalid
from tests.factories import accounts
from tests.factories import compliance as c

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _outside(home: Path, checkpoint_folder: Path) -> None:
    """Lists and checkpoints lie in folders of this test."""


@pytest.fixture
def permission() -> Permission:
    request = c.approved()
    return Permission.objects.get(request=request, purpose=Purpose.SERVE)


def _trail(count: int = 3) -> None:
    for number in range(count):
        audit.record(action="test.done", actor=SYSTEM, object_type="x", object_id=str(number))
    sealing.seal_pending()
    assert checkpoints.write_due(is_forced=True)


def _restored() -> Restore:
    """The newest checkpoint's row is gone, as in a backup from before it."""
    _trail()
    Checkpoint.objects.order_by("-size")[:1].get().delete()
    found = restores.begin()
    assert found is not None
    return found


def _ask(restore: Restore, user: User) -> Restore:
    return restores.ask_resume(restore=restore, reason="compared", user=user, actor=actor_of(user))


def _resume(restore: Restore, user: User) -> Restore:
    return restores.resume(restore=restore, user=user, actor=actor_of(user))


def test_nothing_is_noticed_where_nothing_is_ahead(permission: Permission) -> None:
    _trail()
    assert restores.begin() is None
    assert not is_held()


def test_a_checkpoint_that_the_database_lacks_holds_serving(permission: Permission) -> None:
    restore = _restored()
    assert is_held()
    assert restore.checkpoint_size >= 3
    assert AuditEvent.objects.filter(action="restore.noticed").count() == 1
    assert restores.begin() is None, "it is noticed once"
    sequence = permission.lease_sequence
    with clock.frozen_at(clock.now() + timedelta(seconds=30)):
        permissions.renew_due()
    permission.refresh_from_db()
    assert permission.lease_sequence == sequence
    with pytest.raises(RestoreHeld):
        restores.require_resumed()


def test_a_list_of_stops_that_counts_further_holds_serving(permission: Permission) -> None:
    stop_list.append({"act": "kept", "digest": "ab" * 32, "epoch": epoch()[1] + 5})
    assert restores.begin() is not None
    assert epoch()[1] > 5
    assert restores.begin() is None


def test_a_forged_checkpoint_holds_nothing(permission: Permission, checkpoint_folder: Path) -> None:
    _trail()
    newest = max(checkpoint_folder.glob("*/*.txt"))
    lines = newest.read_text().splitlines()
    lines[1] = str(int(lines[1]) + 1)
    newest.with_name(f"{int(lines[1]):012d}.txt").write_text("\n".join(lines) + "\n")
    assert restores.begin() is None
    Checkpoint.objects.all().delete()
    assert restores.begin() is not None, "and it hides none that is ours"


def test_where_nothing_is_permitted_nothing_is_held() -> None:
    stop_list.append({"act": "kept", "digest": "ab" * 32, "epoch": 7})
    assert restores.begin() is None


def test_two_persons_let_serving_go_on(permission: Permission) -> None:
    restore = _restored()
    first, second = accounts.user(Role.OPERATOR), accounts.user(Role.COMPLIANCE_OFFICER)
    _ask(restore, first)
    assert is_held()
    before = Epoch.objects.get().routing
    _resume(restore, second)
    assert not is_held()
    assert Epoch.objects.get().routing > before
    restores.require_resumed()
    permission.refresh_from_db()
    assert permission.lease_sequence > 1_000_000
    names = list(
        AuditEvent.objects.filter(action__startswith="restore.").values_list("action", flat=True)
    )
    assert names == ["restore.noticed", "restore.resume_asked", "restore.resumed"]
    with pytest.raises(Conflict):
        _resume(restore, second)
    with pytest.raises(Conflict):
        _ask(restore, second)
    assert restores.begin() is None, "the same checkpoint does not hold it again"


def test_one_person_with_two_accounts_is_one_person(permission: Permission) -> None:
    restore = _restored()
    first = accounts.user(Role.OPERATOR)
    _ask(restore, first)
    for user in (first, accounts.user(Role.COMPLIANCE_OFFICER, of=first.person)):
        with pytest.raises(ResumeRefused, match="second person"):
            _resume(restore, user)
    assert is_held()
    assert AuditEvent.objects.filter(action="restore.resume_refused").count() == 2


def test_nobody_else_may(permission: Permission) -> None:
    restore = _restored()
    with pytest.raises(ResumeRefused, match="first person asks"):
        _resume(restore, accounts.user(Role.OPERATOR))
    for role in (Role.ML_ENGINEER, Role.ADMINISTRATOR, Role.REVIEWER):
        with pytest.raises(Forbidden):
            _ask(restore, accounts.user(role))
    with pytest.raises(Invalid):
        restores.ask_resume(
            restore=restore, reason=" ", user=accounts.user(Role.OPERATOR), actor=SYSTEM
        )
    assert AuditEvent.objects.filter(action="restore.resume_refused").count() == 5


@pytest.fixture
def went_back(permission: Permission) -> Restore:
    """The trail as in a backup from before its last twenty entries, noticed."""
    _trail()
    size = Checkpoint.objects.latest("size").size
    _trail(20)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM compliance_auditevent WHERE sequence > %s", [size])
        cursor.execute("DELETE FROM compliance_checkpoint WHERE size > %s", [size])
        cursor.execute("SET LOCAL session_replication_role = origin")
    found = restores.begin()
    assert found is not None and (found.trail_size, found.checkpoint_size) == (size, size + 20)
    return found


def _grow(count: int) -> None:
    for number in range(count):
        audit.record(action="test.other", actor=SYSTEM, object_type="y", object_id=str(number))
    sealing.seal_pending()


def test_a_resumed_restore_explains_the_files_that_it_outran(went_back: Restore) -> None:
    _grow(30)
    assert not verify().is_clean
    assert checkpoints.write_due(is_forced=True) is None
    first, second = accounts.user(Role.OPERATOR), accounts.user(Role.COMPLIANCE_OFFICER)
    _ask(went_back, first)
    _resume(went_back, second)
    sealing.seal_pending()
    assert find_rewrite() == ""
    written = checkpoints.write_due(is_forced=True)
    assert written is not None and written.size > went_back.checkpoint_size
    report = verify()
    assert report.is_clean, report.first_bad
    (said,) = [line.text for line in report.lines if "explained by restore" in line.text]
    assert str(went_back.uuid) in said
    assert f"{first.get_username()} asked, {second.get_username()} resumed" in said


def test_no_size_is_signed_twice(went_back: Restore) -> None:
    _ask(went_back, accounts.user(Role.OPERATOR))
    _resume(went_back, accounts.user(Role.COMPLIANCE_OFFICER))
    sealing.seal_pending()
    size = AuditEvent.objects.exclude(sequence=None).count()
    assert went_back.trail_size < size <= went_back.checkpoint_size
    assert verify().is_clean and find_rewrite() == ""
    assert checkpoints.write_due(is_forced=True) is None, "the old file of this size stays alone"


def test_a_row_without_the_acts_of_two_persons_explains_nothing(went_back: Restore) -> None:
    first, second = accounts.user(Role.OPERATOR), accounts.user(Role.COMPLIANCE_OFFICER)
    Restore.objects.update(
        resume_asked_by=first,
        resumed_by=second,
        resume_asked_at=clock.now(),
        resumed_at=clock.now(),
    )
    _grow(30)
    assert explanations() == []
    assert checkpoints.write_due(is_forced=True) is None
    bad = verify().first_bad
    assert bad is not None and "root differs" in bad.text


@pytest.mark.parametrize("column", ["trail_size", "checkpoint_size"])
def test_a_row_with_other_sizes_than_its_entry_explains_nothing(
    went_back: Restore, column: str
) -> None:
    _ask(went_back, accounts.user(Role.OPERATOR))
    _resume(went_back, accounts.user(Role.COMPLIANCE_OFFICER))
    _grow(30)
    assert len(explanations()) == 1
    Restore.objects.update(**{column: getattr(went_back, column) - 1})
    assert explanations() == []
