"""Submitting a package through HTTP."""

import json
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from config.accounts.events import AccessRefused
from config.accounts.models import User
from config.core.events import Event, _handlers, subscribe
from registry.events import VersionRefused
from registry.models import Adapter, Blob, Version
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
LABEL = json.dumps(make.LABEL)


@pytest.fixture
def adapter(engineer: User) -> Adapter:
    return make.adapter(slug="triage", owner=engineer)


def _raw(parts: list[tuple[str, str | None, bytes]]) -> dict[str, Any]:
    """A multipart body with file names exactly as given; Django's client would strip folders."""
    border = b"XXborderXX"
    body = b""
    for field, name, data in parts:
        filename = f'; filename="{name}"'.encode() if name is not None else b""
        body += b"--" + border + b"\r\nContent-Disposition: form-data; name=" + field.encode()
        body += filename + b"\r\n\r\n" + data + b"\r\n"
    return {
        "data": body + b"--" + border + b"--\r\n",
        "content_type": "multipart/form-data; boundary=XXborderXX",
    }


def _post(client: APIClient, **fields: Any) -> Any:
    return client.post("/api/v1/adapters/triage/versions", fields, format="multipart")


def test_files_with_folders_in_their_names_make_a_version(
    client: APIClient, adapter: Adapter
) -> None:
    files = make.package() | {"docs/model card.md": b"# v1"}
    parts = [("files", f"run/{path}", data) for path, data in files.items()]
    answer = client.post(
        "/api/v1/adapters/triage/versions",
        **_raw([*parts, ("version_name", None, b"v1"), ("label", None, LABEL.encode())]),
    )
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert sorted(file["path"] for file in body["files"]) == sorted(files)
    assert body["label"]["population"] == [{"attribute": "age_group", "level": "adult"}]
    assert body["version_name"] == "v1"
    assert answer["Location"] == f"/api/v1/versions/{body['uuid']}"
    assert client.get(answer["Location"]).json() == body


def test_paths_stand_for_names_that_a_client_stripped(client: APIClient, adapter: Adapter) -> None:
    files = make.package() | {"docs/card.md": b"# v1"}
    sent = [SimpleUploadedFile(path.rpartition("/")[2], data) for path, data in files.items()]
    answer = _post(client, files=sent, paths=json.dumps(list(files)))
    assert answer.status_code == 201, answer.content
    assert sorted(file["path"] for file in answer.json()["files"]) == sorted(files)
    wrong = _post(client, files=sent, paths=json.dumps(["one"]))
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["pointer"].startswith("/paths")


def test_the_same_files_as_an_archive_are_the_same_version(
    client: APIClient, adapter: Adapter
) -> None:
    files = make.package()
    first = _post(client, files=[SimpleUploadedFile(path, data) for path, data in files.items()])
    again = _post(client, archive=SimpleUploadedFile("a.zip", make.zip_of(files)))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["uuid"] == first.json()["uuid"]
    assert again["Location"] == first["Location"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("files", "../../etc/passwd", b"x")], "unsafe_path"),
        ([("files", "..", b"x")], "unsafe_path"),
        ([("files", "/abs/adapter_config.json", b"{}")], "unsafe_path"),
        ([("files", "a/b.txt", b"x"), ("files", "a/c.txt", b"x")], "missing"),
        (
            [("files", "adapter_config.json", b"{}"), ("files", "ADAPTER_CONFIG.JSON", b"{}")],
            "duplicate",
        ),
        ([("archive", "a.zip", b"PK no archive")], "unreadable"),
        ([("archive", "a.zip", make.zip_of({"../x": b"", "adapter_config.json": b"{}"}))],
         "unsafe_path"),
    ],
)  # fmt: skip
def test_container_faults_are_refused_with_what_where_and_how_to_mend(
    client: APIClient, adapter: Adapter, parts: Any, code: str
) -> None:
    refusals: list[VersionRefused] = []
    subscribe(VersionRefused, refusals.append)
    try:
        answer = client.post("/api/v1/adapters/triage/versions", **_raw(parts))
    finally:
        _handlers[VersionRefused].remove(refusals.append)
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "package-invalid"
    assert code in {error["code"] for error in body["errors"]}
    assert all({"code", "path", "message", "fix"} <= set(error) for error in body["errors"])
    assert [event.object_id for event in refusals] == [str(adapter.uuid)]
    assert not Version.objects.exists()
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"label": "{", "files": [SimpleUploadedFile("adapter_config.json", b"{}")]},
        {"label": '{"purpose": ""}', "files": [SimpleUploadedFile("adapter_config.json", b"{}")]},
        {"paths": "3", "files": [SimpleUploadedFile("adapter_config.json", b"{}")]},
    ],
)
def test_malformed_fields_are_named(
    client: APIClient, adapter: Adapter, fields: dict[str, Any]
) -> None:
    answer = _post(client, **fields)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"]
    assert not Version.objects.exists()


def test_an_upload_above_the_limit_is_refused_whatever_length_it_announces(
    client: APIClient, adapter: Adapter, settings: Any
) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    answer = _post(client, files=[SimpleUploadedFile("adapter_config.json", b" " * 2000)])
    assert answer.status_code == 413
    assert "UPLOAD_MAX_BYTES" in answer.json()["fix"]


def test_more_parts_than_are_taken_are_refused(
    client: APIClient, adapter: Adapter, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    parts = [("files", f"f{index}", b"x") for index in range(5)]
    answer = client.post("/api/v1/adapters/triage/versions", **_raw(parts))
    assert answer.status_code == 413


def test_a_body_that_is_no_multipart_is_a_problem(client: APIClient, adapter: Adapter) -> None:
    path = "/api/v1/adapters/triage/versions"
    assert client.post(path, data=b"a", content_type="text/plain").status_code == 415
    broken = client.post(
        "/api/v1/adapters/triage/versions", data=b"", content_type="multipart/form-data"
    )
    assert broken.status_code == 400


def test_who_may_not_submit_is_told_who_may_and_the_attempt_is_an_event_M99(
    reader: APIClient, adapter: Adapter
) -> None:
    seen: list[Event] = []
    subscribe(AccessRefused, seen.append)
    try:
        answer = _post(reader, archive=SimpleUploadedFile("a.zip", make.zip_of(make.package())))
    finally:
        _handlers[AccessRefused].remove(seen.append)
    assert answer.status_code == 403
    assert "versions:write" in answer.json()["detail"]
    assert len(seen) == 1
    assert APIClient().get("/api/v1/adapters").status_code == 401


def test_field_diffs_know_the_tokens_account(
    client: APIClient, adapter: Adapter, engineer: User
) -> None:
    answer = client.patch("/api/v1/adapters/triage", {"name": "Triage notes"})
    assert answer.status_code == 200, answer.content
    entry = LogEntry.objects.get_for_object(adapter).first()
    assert entry is not None
    assert entry.actor == engineer
    assert entry.changes_dict["name"] == ["Front desk", "Triage notes"]
