"""The adapter of an avatar through HTTP: made, looked at, downloaded, deleted."""

import json
from datetime import datetime

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from config.accounts.roles import Role
from config.core.storage import blob_storage
from registry.domain.packages import CONFIG_FILE, WEIGHTS_FILE
from registry.models import Adapter, Avatar, AvatarBackup, StorageAlias, TrainingFile, Version
from registry.services import training_files
from serving.models import Revision, Rollout
from serving.services import deployments
from tests.factories import accounts
from tests.factories import registry as make
from tests.factories.at_once import at_once
from tests.registry.avatars.conftest import NOTE, Caller, trained, unzipped

pytestmark = pytest.mark.django_db


def test_create_makes_an_adapter_once_and_then_gives_it_back_A1(anna: Caller) -> None:
    first = anna.create(adapter_name="my_adapter")
    assert (first.status_code, first.json()["status"]) == (200, "created"), first.content
    again = anna.create(adapter_name="another")
    assert (again.status_code, again.json()["status"]) == (200, "existing")
    assert again.json()["adapter_id"] == first.json()["adapter_id"]
    assert again.json()["adapter_name"] == first.json()["adapter_name"] == "my_adapter"
    assert Adapter.objects.count() == 1


def test_a_new_adapter_is_backed_up_in_the_store_A2(anna: Caller) -> None:
    assert anna.create().status_code == 200
    backup = AvatarBackup.objects.get()
    assert backup.reason == "created"
    assert blob_storage().size(backup.blob.key) == backup.blob.size_bytes > 0


def test_delete_leaves_nothing_of_the_avatar_A5(
    anna: Caller, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        anna.create()
        anna.upload({"a.txt": NOTE})
    flags_key = "users/anna/avatars/nina/adapters/metadata/metadata.json"
    backup_key = "users/anna/avatars/nina/adapters/adapter_backup.zip"
    assert blob_storage().exists(flags_key)
    assert StorageAlias.objects.filter(key=backup_key, blob__isnull=False).exists()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        answer = anna.client.delete(anna.adapter())
    assert (answer.status_code, answer.json()["status"]) == (200, "deleted")
    assert not TrainingFile.objects.exists()
    assert not AvatarBackup.objects.exists()
    assert not blob_storage().exists(flags_key)
    assert not StorageAlias.objects.filter(key=backup_key, blob__isnull=False).exists()
    assert anna.client.get(anna.adapter("/info")).status_code == 404
    assert anna.client.delete(anna.adapter()).status_code == 404
    assert anna.create().json()["status"] == "created"


def test_a_deleted_avatars_versions_are_never_those_of_the_next(anna: Caller) -> None:
    anna.create()
    version = trained(anna)
    anna.client.delete(anna.adapter())
    assert Version.objects.filter(pk=version.pk).exists()
    assert anna.create().json()["status"] == "created"
    info = anna.client.get(anna.adapter("/info")).json()
    assert (info["status"], info["version"]) == ("untrained", None)


def test_a_live_adapter_is_not_deleted(anna: Caller) -> None:
    anna.create()
    version = trained(anna)
    make.go_live(version)
    answer = anna.client.delete(anna.adapter())
    assert (answer.status_code, answer.json()["code"]) == (409, "avatar-busy")
    assert anna.client.get(anna.adapter("/info")).status_code == 200


def test_get_downloads_a_zip_of_the_versions_files_A6_A66(anna: Caller) -> None:
    anna.create()
    version = trained(anna)
    answer = anna.client.get(anna.adapter())
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == 'attachment; filename="adapter_anna_nina.zip"'
    files = unzipped(answer)
    assert set(files) == {CONFIG_FILE, WEIGHTS_FILE, "backup_metadata.json"}
    for row in version.files.all():
        with blob_storage().open(row.blob.key) as stream:
            assert files[row.path] == stream.read()
    said = json.loads(files["backup_metadata.json"])
    assert (said["user_id"], said["avatar_id"]) == ("anna", "nina")
    assert said["file_count"] == 2
    assert said["backup_size_bytes"] == version.size_bytes


def test_a_missing_adapter_is_made_by_get_for_whoever_may_write_A7(
    anna: Caller, reader: Caller
) -> None:
    assert reader.client.get(anna.adapter()).status_code == 404
    assert anna.client.head(anna.adapter()).status_code == 404
    cross = anna.client.get(anna.adapter(), headers={"sec-fetch-site": "cross-site"})
    assert cross.status_code == 404
    assert not Avatar.objects.exists()
    answer = anna.client.get(anna.adapter())
    assert answer.status_code == 200
    config = json.loads(unzipped(answer)[CONFIG_FILE])
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (
        16,
        32,
        "tiny",
    )
    assert Avatar.objects.get().adapter is not None
    assert reader.client.get(anna.adapter()).status_code == 200


def test_headers_carry_metadata_A8(anna: Caller) -> None:
    anna.create(adapter_name="my_adapter")
    version = trained(anna)
    for answer in (anna.client.get(anna.adapter()), anna.client.head(anna.adapter())):
        said = json.loads(answer["X-Adapter-Metadata"])
        assert said["adapter_name"] == "my_adapter"
        assert said["digest"] == version.digest
        assert (answer["X-User-ID"], answer["X-Avatar-ID"]) == ("anna", "nina")


def test_info_tells_metadata_and_sends_no_archive_A9_A67(anna: Caller) -> None:
    anna.create(adapter_name="my_adapter")
    anna.upload({"a.txt": NOTE, "b.txt": b"other"})
    version = trained(anna)
    for row in version.files.all():
        blob_storage().delete(row.blob.key)  # what a download would need
    answer = anna.client.get(anna.adapter("/info"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    said = answer.json()
    backup = AvatarBackup.objects.get()
    assert datetime.fromisoformat(said.pop("last_backup_at")) == backup.created_at
    assert datetime.fromisoformat(said.pop("created_at")) == version.adapter.created_at
    assert datetime.fromisoformat(said.pop("trained_at")) == version.submitted_at
    assert said == {
        "user_id": "anna",
        "avatar_id": "nina",
        "status": "trained",
        "adapter_id": str(version.adapter.uuid),
        "adapter_name": "my_adapter",
        "adapter_ref": "user-anna:nina",
        "base_model": "tiny",
        "version": version.version_name,
        "version_id": str(version.uuid),
        "digest": version.digest,
        "size_bytes": version.size_bytes,
        "last_training": None,
        "configuration": {},
        "training_data": {"total": 2, "training": 2, "non_training": 0},
        "s3_key": "users/anna/avatars/nina/adapters/adapter_backup.zip",
    }


def test_trained_and_untrained_adapters_are_downloaded_alike_A40(anna: Caller) -> None:
    anna.create()
    assert set(unzipped(anna.client.get(anna.adapter()))) == {CONFIG_FILE, "backup_metadata.json"}
    assert anna.client.get(anna.adapter("/info")).json()["status"] == "untrained"
    trained(anna)
    assert WEIGHTS_FILE in unzipped(anna.client.get(anna.adapter()))
    assert anna.client.get(anna.adapter("/info")).json()["status"] == "trained"


def test_an_avatar_has_one_adapter_of_its_own_A61_A62(anna: Caller, ben: Caller) -> None:
    for caller in (anna, ben):
        for avatar in ("nina", "otto"):
            caller.create(avatar)
            caller.create(avatar)
    rows = Avatar.objects.select_related("adapter", "owner")
    assert {(row.owner.username, row.name) for row in rows} == {
        (user, avatar) for user in ("anna", "ben") for avatar in ("nina", "otto")
    }
    assert len({row.adapter_id for row in rows}) == 4
    assert {row.adapter.ref for row in rows if row.adapter} == {
        "user-anna:nina", "user-anna:otto", "user-ben:nina", "user-ben:otto",
    }  # fmt: skip


def test_the_base_of_avatars_is_never_guessed(anna: Caller) -> None:
    make.base_model(slug="second", seed=2)
    answer = anna.create()
    assert (answer.status_code, answer.json()["code"]) == (409, "avatar-base-unclear")
    assert not Adapter.objects.exists()
    with override_settings(AVATAR_BASE_MODEL="second"):
        assert anna.create().status_code == 200
    assert Adapter.objects.get().base_model.slug == "second"


def test_errors_have_statuses_and_a_detail_A49(anna: Caller) -> None:
    stranger = APIClient()
    refused = {
        400: anna.create("bad name!"),
        401: stranger.get(anna.adapter("/info")),
        403: Caller(accounts.user(Role.APPLICATION, username="zoe")).client.get(
            "/avatar/adapters/zoe/x/info"
        ),
        404: anna.client.get(anna.adapter("/info")),
        405: anna.client.put(anna.adapter("/info")),
        415: anna.client.post(anna.data("upload"), b"x", content_type="text/plain"),
    }
    for status, answer in refused.items():
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"] == "application/json"
        assert isinstance(answer.json()["detail"], str)
        assert answer.json()["code"]
    assert refused[401]["WWW-Authenticate"].startswith("Bearer")


def test_input_is_validated_A54(anna: Caller) -> None:
    for name in ("bad name", "-x", "x" * 64, "%00", "a%2Fb"):
        assert anna.create(name).status_code in {400, 404}, name
    assert anna.create(adapter_name="x" * 201).status_code == 400
    anna.create()
    assert anna.client.get(anna.data("list?training_only=perhaps")).status_code == 400
    for wait in ("-1", "601", "nan", "soon"):
        assert anna.client.post(anna.adapter(f"/train?wait={wait}"), {}).status_code == 400, wait
    body = anna.client.post(anna.adapter("/train"), [1], format="json")
    assert body.status_code == 400
    assert Avatar.objects.count() == 1


def test_the_lost_bytes_of_an_adapter_are_said_before_the_first_byte_A51_A52(
    anna: Caller,
) -> None:
    anna.create()
    version = trained(anna)
    blob = version.files.get(path=WEIGHTS_FILE).blob
    blob_storage().delete(blob.key)
    answer = anna.client.get(anna.adapter())
    assert (answer.status_code, answer.json()["code"]) == (404, "blob-not-found")
    anna.upload({"a.txt": NOTE})
    file = TrainingFile.objects.get()
    blob_storage().delete(file.blob.key)
    found = anna.client.get(anna.data("validate-training-data")).json()
    assert found["files"][0]["findings"][0]["code"] == "blob-not-found"
    assert not found["valid"]
    link = anna.client.get(anna.data("download/a.txt")).json()["download_url"]
    assert APIClient().get(link).status_code == 404
    with pytest.raises(training_files.blobs.BlobNotFound):
        training_files.open_text(file)


def test_an_adapter_that_is_being_rolled_out_is_not_deleted(anna: Caller) -> None:
    anna.create()
    version = trained(anna)
    deployment = deployments.create(
        public_name="nina", adapter=version.adapter, base_model=version.adapter.base_model,
        user=anna.user, actor=make.SYSTEM,
    )  # fmt: skip
    revision = Revision.objects.create(
        deployment=deployment, number=1, version=version, digest=version.digest,
        created_by=anna.user,
    )  # fmt: skip
    rollout = Rollout.objects.create(
        deployment=deployment, to_revision=revision, strategy="canary", started_by=anna.user
    )
    answer = anna.client.delete(anna.adapter())
    assert (answer.status_code, answer.json()["code"]) == (409, "adapter-rolled-out")
    assert Avatar.objects.get().deleted_at is None
    assert AvatarBackup.objects.exists()
    Rollout.objects.filter(pk=rollout.pk).update(state="aborted")
    assert anna.client.delete(anna.adapter()).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_one_adapter_is_made_when_many_ask_at_one_moment_A62() -> None:
    make.base_model()
    user = accounts.engineer(username="anna")
    callers = [Caller(user) for _ in range(6)]
    states = at_once(lambda index: callers[index].create().json()["status"], count=6)
    assert sorted(states) == ["created", *["existing"] * 5]
    assert (Avatar.objects.count(), Adapter.objects.count()) == (1, 1)
