"""Backups: made, listed, restored; hostile archives are refused; the store is asked."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from config.core.storage import blob_storage
from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE
from registry.models import Avatar, AvatarBackup, Version
from tests.factories import registry as make
from tests.registry.avatars.conftest import Caller, trained, unzipped

pytestmark = pytest.mark.django_db


def _restore(caller: Caller, data: bytes) -> Any:
    sent = {"file": SimpleUploadedFile("b.zip", data)}
    return caller.client.post(caller.kept("restore"), sent, format="multipart")


def _bytes_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_backup_holds_the_adapter_as_it_is_A24_A46(anna: Caller, ben: Caller) -> None:
    for avatar in ("nina", "otto"):
        anna.create(avatar)
    version = trained(anna)
    said = anna.client.post(anna.kept("backup")).json()
    assert said["status"] == "backed_up"
    assert said["backup"]["version"] == version.version_name
    assert said["backup"]["file_count"] == 2
    backup = AvatarBackup.objects.select_related("blob").get(uuid=said["backup"]["backup_id"])
    with blob_storage().open(backup.blob.key) as stream, zipfile.ZipFile(stream) as archive:
        assert set(archive.namelist()) == {CONFIG_FILE, WEIGHTS_FILE, "backup_metadata.json"}
        paper = json.loads(archive.read("backup_metadata.json"))
    assert set(paper) == {
        "backup_type", "user_id", "avatar_id", "backup_timestamp", "file_count",
        "backup_size_bytes",
    }  # fmt: skip
    totals = [
        anna.client.get(anna.kept("backups", avatar)).json()["total"] for avatar in ("nina", "otto")
    ]
    assert totals == [2, 1]
    assert ben.client.post(ben.kept("backup")).status_code == 404


def test_restore_brings_an_earlier_adapter_back_A25(anna: Caller) -> None:
    anna.create()
    first = trained(anna, seed=1)
    kept = anna.client.post(anna.kept("backup")).json()["backup"]
    second = trained(anna, seed=2)
    assert anna.client.get(anna.adapter("/info")).json()["digest"] == second.digest
    answer = anna.client.post(anna.kept("restore"), {"backup_id": kept["backup_id"]}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["version"] == first.version_name
    assert answer.json()["is_new_version"] is False
    assert anna.client.get(anna.adapter("/info")).json()["digest"] == first.digest
    assert Version.objects.count() == 2
    third = trained(anna, seed=3)
    assert anna.client.get(anna.adapter("/info")).json()["digest"] == third.digest


def test_a_download_can_be_restored_elsewhere_and_is_checked_like_any_version(
    anna: Caller, ben: Caller
) -> None:
    anna.create()
    version = trained(anna)
    data = _bytes_of(anna.client.get(anna.adapter()))
    ben.create()
    answer = _restore(ben, data)
    assert (answer.status_code, answer.json()["is_new_version"]) == (200, True), answer.content
    made = Version.objects.exclude(pk=version.pk).get()
    assert made.digest == version.digest
    assert made.adapter.ref == "user-ben:nina"
    assert ben.client.get(ben.adapter("/info")).json()["status"] == "trained"


def test_configuration_is_restored_from_an_archive_without_weights_A41(anna: Caller) -> None:
    anna.create()
    files = unzipped(anna.client.get(anna.adapter()))
    config = json.loads(files[CONFIG_FILE]) | {"r": 8, "lora_alpha": 24, "lora_dropout": 0.0}
    answer = _restore(anna, make.zip_of({CONFIG_FILE: json.dumps(config).encode()}))
    assert (answer.status_code, answer.json()["version"]) == (200, None), answer.content
    assert Avatar.objects.get().configuration["lora_r"] == 8
    again = json.loads(unzipped(anna.client.get(anna.adapter()))[CONFIG_FILE])
    assert (again["r"], again["lora_alpha"], again["lora_dropout"]) == (8, 24, 0.0)


def test_an_adapters_structure_is_checked_before_it_is_restored_A42(anna: Caller) -> None:
    anna.create()
    good = make.package()
    bad = {
        "no configuration": {WEIGHTS_FILE: good[WEIGHTS_FILE]},
        "no JSON": good | {CONFIG_FILE: b"{"},
        "no object": good | {CONFIG_FILE: b"[]"},
        "no rank": good | {CONFIG_FILE: b'{"peft_type": "LORA", "target_modules": ["q_proj"]}'},
        "pickled weights": {CONFIG_FILE: good[CONFIG_FILE], "adapter_model.bin": b"\x80\x04."},
    }
    for why, files in bad.items():
        answer = _restore(anna, make.zip_of(files))
        assert answer.status_code == 422, f"{why}: {answer.content!r}"
    assert not Version.objects.exists()
    assert Avatar.objects.get().restored_at is None
    assert _restore(anna, make.zip_of(good)).status_code == 200


def test_hostile_archives_are_refused(anna: Caller) -> None:
    anna.create()
    good = make.package()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONFIG_FILE, good[CONFIG_FILE])
        archive.writestr(WEIGHTS_FILE, bytes(80 << 20))
    for data in (
        make.zip_of(good | {"../../escaped.txt": b"x"}),
        make.zip_of(good | {"/etc/escaped": b"x"}),
        bomb.getvalue(),
        b"no archive",
        b"",
    ):
        answer = _restore(anna, data)
        assert answer.status_code in {400, 422}, answer.content
        assert answer.json()["detail"]
    assert not Version.objects.exists()


def test_without_a_backup_or_an_adapter_there_is_nothing_to_restore(anna: Caller) -> None:
    assert anna.client.post(anna.kept("restore"), {}, format="json").status_code == 404
    anna.create()
    AvatarBackup.objects.all().delete()
    answer = anna.client.post(anna.kept("restore"), {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "avatar-backup-not-found")
    answer = anna.client.post(anna.kept("restore"), {"backup_id": "x"}, format="json")
    assert answer.status_code == 400


def test_a_backup_in_another_spelling_is_not_taken_for_the_newest(anna: Caller) -> None:
    anna.create()
    kept = anna.client.get(anna.kept("backups")).json()["backups"][0]["backup_id"]
    answer = anna.client.post(anna.kept("restore"), {"backupId": kept}, format="json")
    assert answer.status_code == 400
    assert "backupId" in answer.json()["detail"]
    assert Avatar.objects.get().restored_at is None


def test_the_state_of_an_adapter_is_tracked_A45(anna: Caller) -> None:
    anna.create()
    status = anna.client.get(anna.kept("status")).json()
    assert (status["status"], status["has_backup"], status["backup_count"]) == (
        "untrained",
        True,
        1,
    )
    trained(anna)
    assert anna.client.get(anna.kept("status")).json()["status"] == "trained"
    assert anna.client.get(anna.kept("status", "nobody")).status_code == 404


def test_the_store_is_asked_whether_it_answers_A29(anna: Caller, tmp_path: Any) -> None:
    anna.create()
    status = anna.client.get(anna.kept("status")).json()
    assert status["s3_status"] == "connected"
    assert status["store"] == {"is_reachable": True, "is_writable": True}
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is needed")
    away = {
        "blobs": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": blocked},
        }
    }
    with override_settings(STORAGES=away):
        status = anna.client.get(anna.kept("status")).json()
    assert (status["s3_status"], status["store"]["is_writable"]) == ("unavailable", False)
