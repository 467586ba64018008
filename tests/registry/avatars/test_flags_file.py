"""The flags file in the store: always what the rows say, whoever writes at once."""

import io
import json
import random
import threading
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test import override_settings

from config.accounts.selectors import actor_of
from config.core.storage import blob_storage
from registry.models import Avatar, AvatarBackup, StorageAlias, TrainingFile
from registry.services import flag_files, training_files
from tests.factories import accounts
from tests.factories.at_once import at_once
from tests.factories.gateway import until
from tests.registry.avatars.conftest import NOTE, Caller

KEY = "users/anna/avatars/nina/adapters/metadata/metadata.json"


def _stored() -> Any:
    with blob_storage().open(KEY) as stream:
        return json.loads(stream.read())


@pytest.mark.django_db
def test_the_file_lies_where_readers_look_and_maps_file_to_flag_A19_A20_A21_A22(
    anna: Caller, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        anna.create()
        anna.upload({"file1.txt": NOTE, "file3.json": b'["x"]'})
        anna.upload({"file2.txt": b"b"}, query="?use_for_training=false")
    assert _stored() == {"file1.txt": True, "file2.txt": False, "file3.json": True}
    said = anna.client.get(anna.data("metadata")).json()
    assert (said["s3_key"], said["metadata"]) == (KEY, _stored())
    home = "users/anna/avatars/nina/adapters/"
    files = anna.client.get(anna.data("list")).json()["files"]
    assert files[0]["s3_key"] == f"{home}training_data/file1.txt"
    backups = anna.client.get(anna.kept("backups")).json()["backups"]
    assert backups[0]["s3_key"] == f"{home}adapter_backup.zip"
    kept = AvatarBackup.objects.get().blob
    assert StorageAlias.objects.filter(key=f"{home}adapter_backup.zip", blob=kept).exists()


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_leave_file_and_rows_equal_A53() -> None:
    user = accounts.engineer(username="anna")
    caller = Caller(user)
    assert caller.upload({f"{number}.txt": b"x" for number in range(8)}).status_code == 200
    avatar = Avatar.objects.select_related("owner").get()

    def act(index: int) -> None:
        chance = random.Random(index)
        name = f"{chance.randrange(8)}.txt"
        if index % 6 == 5:
            training_files.upload(
                owner=user,
                avatar_name="nina",
                files=[_given(f"new-{index}.txt")],
                use_for_training=chance.random() < 0.5,
                actor=_actor(user),
            )
        else:
            training_files.set_flag(
                avatar=avatar,
                name=name,
                use_for_training=chance.random() < 0.5,
                actor=_actor(user),
            )

    at_once(act, count=24)
    rows = dict(TrainingFile.objects.values_list("name", "use_for_training"))
    assert len(rows) == 12
    assert _stored() == rows
    avatar.refresh_from_db()
    assert avatar.flags_written == avatar.flags_revision > 1


@pytest.mark.django_db(transaction=True)
def test_who_writes_the_file_waits_for_who_is_writing_it_A53() -> None:
    """Else an older file could be written over a newer one."""
    user = accounts.engineer(username="anna")
    caller = Caller(user)
    caller.upload({"a.txt": NOTE})
    name = f"formulary/flags/{user.pk}/nina"
    taken = threading.Event()

    def is_waited_for() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
            )
            return bool(cursor.fetchone()[0] == 1)

    def change() -> bool:
        assert taken.wait(30)
        place = caller.data("a.txt/training-flag?use_for_training=false")
        return bool(caller.client.put(place).status_code == 200)

    def write() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
            taken.set()
            until(is_waited_for)
            assert _stored() == {"a.txt": True}
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
            return bool(cursor.fetchone()[0])

    assert at_once(lambda index: (write, change)[index](), count=2) == [True, True]
    assert _stored() == {"a.txt": False}


@pytest.mark.django_db
def test_a_store_that_was_away_gets_the_file_by_the_sweep(
    anna: Caller, django_capture_on_commit_callbacks: Any, tmp_path: Any
) -> None:
    anna.upload({"a.txt": NOTE})
    row = Avatar.objects.get()
    store = blob_storage()
    assert isinstance(store, FileSystemStorage)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is needed")
    away = {
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": blocked},
        }
    }
    with override_settings(STORAGES=away), django_capture_on_commit_callbacks(execute=True):
        answer = anna.client.put(
            anna.data("a.txt/training-flag"), {"use_for_training": False}, format="json"
        )
        assert answer.status_code == 200
    row.refresh_from_db()
    assert row.flags_written < row.flags_revision
    assert flag_files.sweep() == 1
    assert _stored() == {"a.txt": False}
    assert flag_files.sweep() == 0


@pytest.mark.django_db
def test_an_older_file_never_follows_a_newer_one(anna: Caller) -> None:
    """Whoever comes late finds his revision written and leaves the file alone."""
    anna.upload({"a.txt": NOTE})
    avatar = Avatar.objects.get()
    flag_files.write(avatar.pk)
    flag_files.put(KEY, b'{"marker": true}')
    flag_files.write(avatar.pk)
    assert _stored() == {"marker": True}


def _given(name: str) -> training_files.GivenText:
    return training_files.GivenText(name, 1, lambda: io.BytesIO(b"x"))


def _actor(user: Any) -> Any:
    return actor_of(user)
