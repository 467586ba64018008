"""Old backups go with the garbage, and never those that an avatar or a case still needs."""

import io
import threading
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from compliance.models import AuditEvent
from config.core import clock
from config.core.actors import SYSTEM
from registry.avatar_selectors import avatar_of
from registry.models import Avatar, AvatarBackup, TrainingRun
from registry.services import avatar_backups, backup_retention, garbage, holds
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.at_once import at_once, lock_waiters
from tests.flows.waiting import until

from .conftest import Caller, trained

pytestmark = pytest.mark.django_db


def _later(days: float) -> AbstractContextManager[None]:
    return clock.frozen_at(clock.now() + timedelta(days=days))


@pytest.fixture
def avatar(anna: Caller) -> Avatar:
    """With the backup that its creation made."""
    assert anna.create().status_code == 200
    return avatar_of(owner=anna.user, name="nina")


def _back_up(avatar: Avatar, reason: str = "asked") -> AvatarBackup:
    made = AvatarBackup.Reason(reason)
    return avatar_backups.back_up(avatar=avatar, reason=made, actor=SYSTEM)


def _kept() -> list[AvatarBackup]:
    return list(AvatarBackup.objects.order_by("pk"))


def test_an_old_backup_goes_and_the_newest_stays_however_old(avatar: Avatar) -> None:
    first = AvatarBackup.objects.get()
    with _later(1):
        last = _back_up(avatar)
    with _later(364):
        assert garbage.collect().dropped_backups == 0
    with _later(3650):
        assert garbage.collect().dropped_backups == 1
        assert garbage.collect().dropped_backups == 0
    assert _kept() == [last]
    event = AuditEvent.objects.get(action="avatar.backup_dropped")
    assert str(first.uuid) in event.body and event.object_id == str(avatar.uuid)


def test_the_days_are_a_setting(avatar: Avatar, settings: Any) -> None:
    settings.AVATAR_BACKUP_RETENTION_DAYS = 2
    last = _back_up(avatar)
    with _later(3):
        assert garbage.collect().dropped_backups == 1
    assert _kept() == [last]


def test_a_dry_run_counts_and_keeps_them(avatar: Avatar) -> None:
    _back_up(avatar)
    out = io.StringIO()
    with _later(366):
        call_command("collect_garbage", "--dry-run", stdout=out)
    assert "1 old backups of avatars would be dropped." in out.getvalue()
    assert len(_kept()) == 2
    with _later(366):
        call_command("collect_garbage", stdout=out)
    assert "1 old backups of avatars dropped." in out.getvalue()


def test_a_held_backup_stays_until_it_is_released(avatar: Avatar) -> None:
    first = AvatarBackup.objects.get()
    last = _back_up(avatar)
    (hold,) = holds.place(
        sha256s=[first.blob.sha256], matter="case", reason="A court asked", actor=SYSTEM
    )
    with _later(366):
        assert garbage.collect().dropped_backups == 0
    assert _kept() == [first, last]
    holds.release(uuid=hold.uuid, reason="Closed", actor=SYSTEM)
    with _later(366):
        assert garbage.collect().dropped_backups == 1


def test_a_hold_on_a_version_keeps_its_backups(anna: Caller, avatar: Avatar) -> None:
    version = trained(anna)
    of_version = _back_up(avatar)
    last = _back_up(avatar)
    file = version.files.select_related("blob").first()
    holds.place(sha256s=[file.blob.sha256], matter="case", reason="asked", actor=SYSTEM)
    with _later(366):
        assert garbage.collect().dropped_backups == 1, "that of the creation"
    assert _kept() == [of_version, last]


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_is_being_placed_on_a_version_is_waited_for() -> None:
    make.base_model()
    anna = Caller(accounts.engineer(username="anna"))
    assert anna.create().status_code == 200
    avatar = avatar_of(owner=anna.user, name="nina")
    version = trained(anna)
    of_version, last = _back_up(avatar), _back_up(avatar)
    file = version.files.select_related("blob").earliest("pk")
    taken = threading.Event()

    def place() -> int:
        with transaction.atomic():
            held = holds.place(
                sha256s=[file.blob.sha256], matter="case", reason="asked", actor=SYSTEM
            )
            taken.set()
            until(lock_waiters)
        return len(held)

    def drop() -> int:
        assert taken.wait(30)
        return backup_retention.drop_old(older_than=timedelta(0))

    assert at_once(lambda index: (place, drop)[index](), count=2) == [1, 1]
    assert _kept() == [of_version, last], "that of the creation went"


def test_the_backup_of_the_last_training_stays(anna: Caller, avatar: Avatar) -> None:
    """Else the sweep that backs trainings up would make it again, and again."""
    version = trained(anna)
    assert avatar.adapter is not None
    TrainingRun.objects.create(
        adapter=avatar.adapter,
        base_model=avatar.adapter.base_model,
        seed=1,
        parameters={},
        state="completed",
        version=version,
        requested_by=anna.user,
    )
    assert avatar_backups.back_up_trained() == 1
    of_training = AvatarBackup.objects.latest("pk")
    trained(anna, seed=7)
    last = _back_up(avatar)
    with _later(366):
        assert garbage.collect().dropped_backups == 1
    assert _kept() == [of_training, last]
    assert avatar_backups.back_up_trained() == 0


def test_the_bytes_go_after_the_grace_period(avatar: Avatar) -> None:
    first = AvatarBackup.objects.select_related("blob").get()
    with _later(1):
        _back_up(avatar)
    with _later(366):
        assert garbage.collect().sha256s == ()
    with _later(374):
        assert first.blob.sha256 in garbage.collect().sha256s
