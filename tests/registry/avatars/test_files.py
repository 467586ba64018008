"""Training data through HTTP: uploaded, listed, flagged, downloaded, deleted."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from compliance.models import AuditEvent
from config.core import clock
from config.core.storage import blob_storage
from registry.models import ScanState, TrainingFile
from registry.services import training_files
from tests.factories import registry as make
from tests.registry.avatars.conftest import NOTE, Caller

pytestmark = pytest.mark.django_db


def _text(row: TrainingFile) -> bytes:
    with training_files.open_text(row) as stream:
        return stream.read()


def _flags(caller: Caller) -> Any:
    return caller.client.get(caller.data("metadata")).json()["metadata"]


def test_files_are_uploaded_with_their_flag_A10_A63_A64(anna: Caller) -> None:
    answer = anna.upload({"a.txt": NOTE}, query="?use_for_training=true")
    assert answer.status_code == 200, answer.content
    assert anna.upload({"b.txt": b"b"}, query="?use_for_training=false").status_code == 200
    assert anna.upload({"c.txt": b"c"}).json()["files"][0]["use_for_training"] is True
    rows = {row.name: row for row in TrainingFile.objects.all()}
    assert {name: row.use_for_training for name, row in rows.items()} == {
        "a.txt": True, "b.txt": False, "c.txt": True,
    }  # fmt: skip
    assert _text(rows["a.txt"]) == NOTE
    assert rows["a.txt"].size_bytes == len(NOTE)
    assert anna.upload({"d.txt": b"d"}, query="?use_for_training=perhaps").status_code == 400


@pytest.mark.parametrize("field", ["file", "files"])
def test_several_files_come_in_one_request_all_or_none_A27(anna: Caller, field: str) -> None:
    several = {f"{number}.txt": b"x%d" % number for number in range(5)}
    answer = anna.upload(several, field=field)
    assert [file["file_name"] for file in answer.json()["files"]] == list(several)
    answer = anna.upload({"new.txt": b"x", "empty.txt": b"", "worse.exe": b"x"}, field=field)
    assert answer.status_code == 400
    assert [row["file"] for row in answer.json()["errors"]] == [2, 3]
    assert TrainingFile.objects.count() == 5


def test_metadata_of_a_file_is_tracked_A11(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    first = TrainingFile.objects.get()
    training_files.record_scan(file=first, state=ScanState.PASSED, findings=[], actor=make.SYSTEM)
    anna.upload({"a.txt": b"new text"}, query="?use_for_training=false")
    row = TrainingFile.objects.get()
    assert row.uuid == first.uuid
    assert (row.size_bytes, row.use_for_training) == (8, False)
    assert row.sha256 != first.sha256
    assert row.uploaded_at > first.uploaded_at
    assert row.scan_state == ScanState.UNSCANNED
    listed = anna.client.get(anna.data("list")).json()["files"][0]
    assert (listed["sha256"], listed["size_bytes"]) == (row.sha256, 8)


def test_a_scan_counts_only_for_the_bytes_that_were_scanned(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    old = TrainingFile.objects.get()
    anna.upload({"a.txt": b"other"})
    said = training_files.record_scan(
        file=old, state=ScanState.PASSED, findings=[], actor=make.SYSTEM
    )
    assert said is False
    assert TrainingFile.objects.get().scan_state == ScanState.UNSCANNED


def test_files_are_listed_without_end_of_page_A12_A68(anna: Caller) -> None:
    anna.upload({"b.txt": b"b", "a.txt": NOTE})
    row = TrainingFile.objects.get(name="a.txt")
    TrainingFile.objects.bulk_create(
        TrainingFile(
            avatar=row.avatar,
            name=f"many-{number:04}.txt",
            size_bytes=1,
            sha256="0" * 64,
            blob=row.blob,
            key_encrypted=b"",
        )
        for number in range(1100)
    )
    answer = anna.client.get(anna.data("list"))
    said = answer.json()
    assert answer.status_code == 200
    assert (said["user_id"], said["avatar_id"], said["total"]) == ("anna", "nina", 1102)
    assert [file["file_name"] for file in said["files"]][:3] == ["a.txt", "b.txt", "many-0000.txt"]
    assert said["files"][0] == {
        "file_id": str(row.uuid),
        "file_name": "a.txt",
        "use_for_training": True,
        "size_bytes": len(NOTE),
        "sha256": row.sha256,
        "uploaded_at": row.uploaded_at.isoformat().replace("+00:00", "Z"),
        "scan_state": "unscanned",
        "s3_key": "users/anna/avatars/nina/adapters/training_data/a.txt",
    }


def test_the_list_is_filtered_by_a_flag_of_three_values_A13(anna: Caller) -> None:
    anna.upload({"yes.txt": b"y"})
    anna.upload({"no.txt": b"n"}, query="?use_for_training=false")

    def listed(query: str) -> list[str]:
        files = anna.client.get(anna.data(f"list{query}")).json()["files"]
        return [file["file_name"] for file in files]

    assert listed("") == ["no.txt", "yes.txt"]
    assert listed("?training_only=true") == ["yes.txt"]
    assert listed("?training_only=false") == ["no.txt"]


def test_the_flag_is_changed_in_body_or_address_A14(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    place = anna.data("a.txt/training-flag")
    answer = anna.client.put(place, {"use_for_training": False}, format="json")
    assert (answer.status_code, answer.json()["use_for_training"]) == (200, False)
    assert _flags(anna) == {"a.txt": False}
    assert anna.client.put(f"{place}?use_for_training=true").json()["use_for_training"] is True
    assert _flags(anna) == {"a.txt": True}
    both = anna.client.put(f"{place}?use_for_training=true", {"use_for_training": False})
    assert both.status_code == 400
    assert anna.client.put(place, {}, format="json").status_code == 400
    other = anna.client.put(anna.data("b.txt/training-flag"), {"use_for_training": True})
    assert other.status_code == 404
    assert _flags(anna) == {"a.txt": True}


def test_all_unflagged_files_are_deleted_at_once_A15(anna: Caller) -> None:
    anna.upload({"keep.txt": b"k"})
    anna.upload({"a.txt": b"a", "b.txt": b"b"}, query="?use_for_training=false")
    answer = anna.client.delete(anna.data("non-training-files"))
    assert answer.status_code == 200, answer.content
    assert (answer.json()["deleted_files"], answer.json()["deleted_count"]) == (
        ["a.txt", "b.txt"], 2,
    )  # fmt: skip
    assert _flags(anna) == {"keep.txt": True}
    assert anna.upload({"non-training-files": b"x"}).status_code == 400


def test_one_file_is_deleted_and_its_key_with_it_A16(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE, "b.txt": b"b"})
    row = TrainingFile.objects.get(name="a.txt")
    assert anna.client.delete(anna.data("a.txt")).status_code == 200
    assert _flags(anna) == {"b.txt": True}
    assert not TrainingFile.objects.filter(pk=row.pk).exists()
    assert anna.client.delete(anna.data("a.txt")).status_code == 404
    # Its bytes wait for the garbage collection, and nobody can read them any more.
    with blob_storage().open(row.blob.key) as stream:
        assert b"Jane" not in stream.read()


def test_a_file_has_a_signed_address_A17_A69(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    said = anna.client.get(anna.data("download/a.txt")).json()
    assert (said["file_name"], said["expires_in"]) == ("a.txt", 3600)
    answer = APIClient().get(said["download_url"])
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == NOTE
    assert answer["Content-Length"] == str(len(NOTE))
    assert answer["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert anna.client.get(anna.data("download/b.txt")).status_code == 404


def test_addresses_end_and_can_not_be_changed_A23(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE, "b.txt": b"other"})
    url = anna.client.get(anna.data("download/a.txt")).json()["download_url"]
    other = TrainingFile.objects.get(name="b.txt")
    own = TrainingFile.objects.get(name="a.txt")
    stranger = APIClient()
    later = str(int(url.split("expires=")[1].split("&")[0]) + 1)
    for changed in (
        url.replace(str(own.uuid), str(other.uuid)),
        url.replace(url.split("expires=")[1].split("&")[0], later),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.split("?")[0],
        url.split("&signature")[0] + "&signature=é",
    ):
        assert stranger.get(changed).status_code == 403, changed
    assert stranger.get(url).status_code == 200
    now = clock.now()
    with clock.frozen_at(now + timedelta(seconds=3590)):
        assert stranger.get(url).status_code == 200
    with clock.frozen_at(now + timedelta(seconds=3601)):
        assert stranger.get(url).status_code == 403
    anna.upload({"a.txt": b"replaced"})
    assert stranger.get(url).status_code == 403


def test_metadata_of_the_data_and_its_summary_A18(anna: Caller) -> None:
    none = anna.client.get(anna.data("metadata")).json()
    assert (none["status"], none["metadata"], none["summary"]["total"]) == ("not_found", {}, 0)
    anna.upload({"a.txt": b"a", "b.txt": b"b"})
    anna.upload({"c.txt": b"c"}, query="?use_for_training=false")
    said = anna.client.get(anna.data("metadata")).json()
    assert said["status"] == "found"
    assert said["metadata"] == {"a.txt": True, "b.txt": True, "c.txt": False}
    assert said["summary"] == {"total": 3, "training": 2, "non_training": 1}


def test_files_go_up_come_down_and_go_away_A28(anna: Caller) -> None:
    large = bytes(range(256)).replace(b"\x00", b"x") * 1000  # several sealed pieces
    for name, data in {"a.txt": NOTE, "b.csv": large}.items():
        assert anna.upload({name: data}).status_code == 200
        url = anna.client.get(anna.data(f"download/{name}")).json()["download_url"]
        assert b"".join(APIClient().get(url).streaming_content) == data
        assert anna.client.delete(anna.data(name)).status_code == 200
        assert APIClient().get(url).status_code == 403


def test_json_files_are_taken_judged_and_told_apart_A26(anna: Caller) -> None:
    good = json.dumps([{"prompt": "cough", "completion": "pulmonology"}]).encode()
    lines = b'{"text": "one"}\n{"text": "two"}\n'
    anna.upload({"good.json": good, "lines.jsonl": lines, "bad.json": b'{"text": "Jane'})
    found = anna.client.post(anna.data("validate-training-data")).json()
    assert {row["file_name"]: row["valid"] for row in found["files"]} == {
        "good.json": True, "lines.jsonl": True, "bad.json": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["a.exe", "a", ".txt", "..txt", "a\\b.txt", "../a.txt", "x/../a.txt", "a\x07.txt"]
)
def test_names_that_could_lead_elsewhere_are_refused(anna: Caller, name: str) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode()
    body += b'"\r\n\r\ntext\r\n--B--\r\n'
    answer = anna.client.generic(
        "POST", anna.data("upload"), body, content_type="multipart/form-data; boundary=B"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "training-file-invalid")
    assert not TrainingFile.objects.exists()


def test_texts_lie_sealed_and_are_told_nowhere(
    anna: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the store, the audit trail, the logs, nor in what is wrong with them."""
    name = "roe-jane-1951.jsonl"
    anna.upload({name: b'{"text": "Jane Roe coughs"}\nJane Roe, MRN 4711\n'})
    row = TrainingFile.objects.get()
    with blob_storage().open(row.blob.key) as stream:
        assert b"Jane" not in stream.read()
    anna.client.put(anna.data(f"{name}/training-flag"), {"use_for_training": False}, format="json")
    anna.client.put(anna.data(f"{name}/training-flag"), {"use_for_training": True}, format="json")
    found = anna.client.post(anna.data("validate-training-data"))
    assert found.json()["files"][0]["findings"][0]["number"] == 2
    anna.client.get(anna.data(f"download/{name}"))
    anna.client.delete(anna.data(name))
    trail = [str(event.__dict__) for event in AuditEvent.objects.all()]
    assert sum("training_file." in event for event in trail) >= 5
    logged = capfd.readouterr().err
    for said in [*trail, found.content.decode().replace(name, ""), logged]:
        assert "Jane" not in said
        assert "MRN" not in said
        assert "roe-jane" not in said


def test_the_bytes_of_a_file_are_not_had_by_their_digest(anna: Caller, ben: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    row = TrainingFile.objects.select_related("blob").get()
    assert ben.client.get(f"/api/v1/blobs/{row.sha256}").status_code == 404
    sealed = b"".join(ben.client.get(f"/api/v1/blobs/{row.blob.sha256}").streaming_content)
    assert b"Jane" not in sealed


def test_two_uploads_of_one_text_are_two_blobs(anna: Caller, ben: Caller) -> None:
    """Else whether a text is there could be asked by uploading it."""
    anna.upload({"a.txt": NOTE})
    ben.upload({"a.txt": NOTE})
    first, second = TrainingFile.objects.select_related("blob")
    assert first.sha256 == second.sha256
    assert first.blob_id != second.blob_id


def test_damaged_bytes_are_not_given_out(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    row = TrainingFile.objects.select_related("blob").get()
    other = training_files.blobs.store_pieces([b"x" * 100])
    row.blob = other
    with pytest.raises(training_files.BlobDamaged), training_files.open_text(row) as stream:
        stream.read()


def test_damaged_bytes_are_said_before_the_first_byte(anna: Caller) -> None:
    anna.upload({"a.txt": NOTE})
    url = anna.client.get(anna.data("download/a.txt")).json()["download_url"]
    path = Path(blob_storage().path(TrainingFile.objects.get().blob.key))
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))
    answer = APIClient().get(url)
    assert (answer.status_code, answer.json()["code"]) == (503, "blob-damaged")
