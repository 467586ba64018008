"""Uploads of the artifact contract, over HTTP."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from registry.models import Artifact, Blob, ModelRecord, StorageAlias
from registry.services import blobs
from tests.factories.disks import files_of_at_most

pytestmark = pytest.mark.django_db
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def _file(data: bytes = b"weights", name: str = "model.pkl") -> io.BytesIO:
    stream = io.BytesIO(data)
    stream.name = name
    return stream


def _raw(client: APIClient, path: str, data: bytes = b"weights", **headers: str) -> Any:
    content_type = headers.pop("content_type", "application/octet-stream")
    return client.generic("POST", path, data, content_type=content_type, headers=headers)


def test_a_form_is_answered_with_the_agreed_sentence_and_fields_F1_F5_F7_F8_F18_F19(
    client: APIClient,
) -> None:
    answer = client.post(
        "/artifact/model", {"file": _file(), "model_name": "bert-base"}, format="multipart"
    )
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"message", "artifact_type", "model_name", "s3_key", "model"}
    assert body["message"] == "Artifact uploaded successfully"
    assert (body["artifact_type"], body["model_name"]) == ("model", "bert-base")
    assert body["model"]["model_key"] == body["s3_key"]


def test_every_upload_is_answered_with_200_and_the_sentence_F18(client: APIClient) -> None:
    for kind in ("model", "code", "model"):  # the last takes the place of the first
        answer = _raw(client, f"/artifact/{kind}", kind.encode(), **{"X-Model-Name": "m"})
        said = (answer.status_code, answer.json()["message"])
        assert said == (200, "Artifact uploaded successfully")


def test_keys_are_made_of_type_slug_uuid_and_extension_F12(client: APIClient) -> None:
    answer = client.post(
        "/artifact/model",
        {"file": _file(name="Weights.PKL"), "model_name": "My_Big Model"},
        format="multipart",
    ).json()
    assert re.fullmatch(rf"model/my-big-model/{UUID}\.pkl", answer["s3_key"])
    assert answer["model_name"] == "My_Big Model"


@pytest.mark.parametrize("kind", ["model", "code", "dataset", "DataSet"])
def test_the_path_says_the_type_F4_F36_F37_F38(client: APIClient, kind: str) -> None:
    answer = _raw(client, f"/artifact/{kind}", **{"X-Model-Name": "m"}).json()
    assert answer["artifact_type"] == kind.lower()
    assert answer["s3_key"].startswith(f"{kind.lower()}/m/")


def test_a_raw_body_is_the_file_and_its_header_the_name_F6_F9(client: APIClient) -> None:
    data = bytes(range(256)) * 5000
    answer = _raw(client, "/artifact/dataset", data, **{"X-Model-Name": "raw-model"})
    assert answer.json()["model_name"] == "raw-model"
    blob = Artifact.objects.get(key=answer.json()["s3_key"]).blob
    with blobs.open(blob) as stream:
        assert stream.read() == data


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "application/json", "text/plain", ""]
)
def test_a_raw_body_of_any_type_is_kept_byte_for_byte(client: APIClient, content_type: str) -> None:
    data = b'{"a": 1}&b=%00\xff'
    answer = _raw(
        client, "/artifact/code", data, content_type=content_type, **{"X-Model-Name": "odd"}
    )
    assert answer.status_code == 200, answer.content
    with blobs.open(Artifact.objects.get().blob) as stream:
        assert stream.read() == data


def test_names_come_from_field_header_stem_or_are_made_F10(client: APIClient) -> None:
    def form(**fields: Any) -> str:
        sent = {"file": _file(name="stem-of-it.zip"), **fields}
        headers = {"X-Model-Name": "of-the-header"}
        return client.post("/artifact/model", sent, format="multipart", headers=headers).json()[
            "model_name"
        ]

    assert form(model_name="of-the-form") == "of-the-form"
    assert form() == "stem-of-it"  # the header counts for bodies that are no forms
    named = {"Content-Disposition": 'attachment; filename="of-the-body.zip"'}
    assert _raw(client, "/artifact/model", **named).json()["model_name"] == "of-the-body"
    both = named | {"X-Model-Name": "of-the-header"}
    assert _raw(client, "/artifact/model", **both).json()["model_name"] == "of-the-header"
    made = _raw(client, "/artifact/model").json()["model_name"]
    assert re.fullmatch("model-[0-9a-f]{8}", made)


def test_bytes_go_to_the_store_whole_F11_F56(client: APIClient, own_store: Path) -> None:
    data = b"0123456789" * 300_000
    sent = {"file": _file(data, "d.csv"), "model_name": "stored"}
    assert client.post("/artifact/dataset", sent, format="multipart").status_code == 200
    blob = Blob.objects.get()
    assert (own_store / blob.key).read_bytes() == data


def test_the_model_is_made_once_and_found_again_by_its_name_F13_F17(client: APIClient) -> None:
    for kind in ("model", "code", "model"):
        _raw(client, f"/artifact/{kind}", **{"X-Model-Name": "one"})
    record = ModelRecord.objects.get()
    assert record.name == "one"
    assert record.artifacts.count() == 3


@pytest.mark.parametrize(
    ("kind", "field"),
    [("model", "model_key"), ("code", "code_key"), ("dataset", "dataset_key")],
)
def test_each_type_sets_its_own_key_F14_F15_F16(client: APIClient, kind: str, field: str) -> None:
    answer = _raw(client, f"/artifact/{kind}", **{"X-Model-Name": "keys"}).json()
    keys = {"model_key", "code_key", "dataset_key"}
    assert answer["model"][field] == answer["s3_key"]
    assert {answer["model"][other] for other in keys - {field}} == {""}


def test_a_new_upload_moves_the_pointer_and_the_old_bytes_stay(client: APIClient) -> None:
    first = _raw(client, "/artifact/model", b"old", **{"X-Model-Name": "twice"}).json()["s3_key"]
    second = _raw(client, "/artifact/model", b"new", **{"X-Model-Name": "twice"}).json()["s3_key"]
    assert first != second
    answer = client.get("/artifacts/model/twice")
    assert b"".join(answer.streaming_content) == b"new"
    with blobs.open(StorageAlias.objects.get(key=first).blob) as stream:  # type: ignore[arg-type]
        assert stream.read() == b"old"


def test_an_unknown_type_is_400_F44(client: APIClient) -> None:
    answer = _raw(client, "/artifact/weights")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_ARTIFACT_TYPE"
    assert client.get("/artifacts/weights/m").json()["error_code"] == "INVALID_ARTIFACT_TYPE"
    assert Blob.objects.count() == 0


@pytest.mark.parametrize("form", [None, {"model_name": "m"}, {"file": "text", "model_name": "m"}])
def test_a_missing_body_is_400_F45(client: APIClient, form: Any) -> None:
    if form is None:
        answer = _raw(client, "/artifact/model", b"", **{"X-Model-Name": "m"})
    else:
        answer = client.post("/artifact/model", form, format="multipart")
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "MISSING_BODY"
    assert ModelRecord.objects.count() == 0


def test_a_form_with_its_file_in_another_field_has_none_F7(client: APIClient) -> None:
    for field in ("upload", "File", "files"):
        answer = client.post(
            "/artifact/model", {field: _file(), "model_name": "m"}, format="multipart"
        )
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MISSING_BODY"), field
    assert Artifact.objects.count() == ModelRecord.objects.count() == Blob.objects.count() == 0


def test_a_full_disk_is_the_contracts_500_and_nothing_stays_F49(
    client: APIClient, own_store: Path
) -> None:
    data = b"0123456789" * 10_000
    with files_of_at_most(60_000):
        form = {"file": _file(data), "model_name": "m"}
        for answer in (
            _raw(client, "/artifact/model", data, **{"X-Model-Name": "m"}),
            client.post("/artifact/model", form, format="multipart"),
        ):
            assert (answer.status_code, answer.json()["error_code"]) == (500, "S3_UPLOAD_ERROR")
    assert [path for path in own_store.rglob("*") if path.is_file()] == []
    assert Artifact.objects.count() == ModelRecord.objects.count() == Blob.objects.count() == 0
    assert _raw(client, "/artifact/model", data).status_code == 200


def test_an_empty_file_is_a_missing_body(client: APIClient) -> None:
    answer = client.post("/artifact/model", {"file": _file(b"")}, format="multipart")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MISSING_BODY")


@pytest.mark.parametrize("name", ["x" * 201, "a\nb"])
def test_a_name_that_no_record_can_have_is_refused(client: APIClient, name: str) -> None:
    answer = client.post(
        "/artifact/model", {"file": _file(), "model_name": name}, format="multipart"
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "ARTIFACT_NAME_INVALID")


def test_too_large_a_body_is_413_and_leaves_nothing(client: APIClient, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    answer = _raw(client, "/artifact/model", b"x" * 1001, **{"X-Model-Name": "m"})
    assert answer.status_code == 413
    sent = {"file": _file(b"x" * 1001)}
    assert client.post("/artifact/model", sent, format="multipart").status_code == 413
    assert Blob.objects.count() == ModelRecord.objects.count() == 0


def test_readers_may_not_upload_and_strangers_may_nothing(reader: APIClient) -> None:
    answer = _raw(reader, "/artifact/model")
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    stranger = APIClient().post("/artifact/model", {"file": _file()}, format="multipart")
    assert (stranger.status_code, stranger.json()["error_code"]) == (401, "NOT_AUTHENTICATED")
    assert stranger["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("header", ["X-Authorization", "X-API-Key", "Authorization"])
def test_the_token_may_come_in_any_of_three_headers(token: str, header: str) -> None:
    value = token if header == "X-API-Key" else f"Bearer {token}"
    answer = APIClient().generic(
        "POST", "/artifact/model", b"data", headers={header: value, "X-Model-Name": "m"}
    )
    assert answer.status_code == 200


def test_the_mount_answers_as_the_root_does(client: APIClient) -> None:
    assert _raw(client, "/lambda/artifact/model", **{"X-Model-Name": "m"}).status_code == 200
    assert client.get("/lambda/artifacts/model/m?metadata_only=1").json()["model_name"] == "m"


def test_a_key_is_for_one_name_also_where_a_header_names_it(client: APIClient) -> None:
    key = {"Idempotency-Key": "k1"}
    first = _raw(client, "/artifact/model", **key, **{"X-Model-Name": "one"})
    again = _raw(client, "/artifact/model", **key, **{"X-Model-Name": "one"})
    other = _raw(client, "/artifact/model", **key, **{"X-Model-Name": "two"})
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 422)
    assert again.json() == first.json()
    assert "two" not in other.content.decode()
    assert [record.name for record in ModelRecord.objects.all()] == ["one"]
