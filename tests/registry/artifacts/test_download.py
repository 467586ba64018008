"""Downloads of the artifact contract, its errors and its envelope, over HTTP."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from registry import artifact_selectors as selectors
from registry.domain.artifacts import Record
from registry.models import Artifact
from tests.factories import registry as make

pytestmark = pytest.mark.django_db
DATA = bytes(range(256)) * 100


@pytest.fixture
def stored(client: APIClient) -> dict[str, Any]:
    headers = {"X-Model-Name": "bert-base"}
    answer = client.generic(
        "POST", "/artifact/model", DATA, content_type="application/zip", headers=headers
    )
    assert answer.status_code == 200
    return answer.json()


def test_the_file_is_fetched_by_type_and_id_F2_F29_F31(
    reader: APIClient, stored: dict[str, Any]
) -> None:
    answer = reader.get("/artifacts/model/bert-base")
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == DATA
    assert answer["Content-Length"] == str(len(DATA))


def test_files_without_a_known_extension_are_octet_streams_F35(client: APIClient) -> None:
    headers = {"X-Model-Name": "m", "Content-Disposition": 'attachment; filename="m.pkl"'}
    client.generic("POST", "/artifact/model", DATA, headers=headers)
    answer = client.get("/artifacts/model/m")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="m.pkl"'


@pytest.mark.parametrize(
    ("suffix", "content_type"),
    [
        (".zip", "application/zip"),
        (".json", "application/json"),
        (".CSV", "text/csv"),
        (".bin", "application/octet-stream"),
    ],
)
def test_bytes_are_given_back_with_their_type_F57(
    client: APIClient, suffix: str, content_type: str
) -> None:
    headers = {"X-Model-Name": "m", "Content-Disposition": f"attachment; filename=a{suffix}"}
    client.generic("POST", "/artifact/code", DATA, headers=headers)
    answer = client.get("/artifacts/code/m")
    assert answer["Content-Type"] == content_type
    assert b"".join(answer.streaming_content) == DATA


@pytest.mark.parametrize("wish", ["true", "1", "yes", "TRUE"])
def test_the_record_alone_is_given_on_request_F30_F33(
    reader: APIClient, stored: dict[str, Any], wish: str
) -> None:
    answer = reader.get(f"/artifacts/model/bert-base?metadata_only={wish}")
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {key: stored[key] for key in stored if key != "message"}


@pytest.mark.parametrize("wish", ["false", "0", "no", ""])
def test_other_wishes_give_the_file(reader: APIClient, stored: dict[str, Any], wish: str) -> None:
    assert reader.get(f"/artifacts/model/bert-base?metadata_only={wish}").streaming


def test_the_type_chooses_the_key_F32(client: APIClient, stored: dict[str, Any]) -> None:
    client.generic("POST", "/artifact/code", b"code", headers={"X-Model-Name": "bert-base"})
    assert b"".join(client.get("/artifacts/code/bert-base").streaming_content) == b"code"
    assert b"".join(client.get("/artifacts/model/bert-base").streaming_content) == DATA


def test_the_record_has_the_agreed_fields_F20_F21_F22_F23_F24_F25(
    client: APIClient, stored: dict[str, Any]
) -> None:
    for kind in ("code", "dataset"):
        client.generic("POST", f"/artifact/{kind}", b"x", headers={"X-Model-Name": "bert-base"})
    record = client.get("/artifacts/model/bert-base?metadata_only=true").json()["model"]
    assert set(record) == {
        "name", "size", "license", "model_key", "code_key", "dataset_key", "scores",
        "scores_latency",
    }  # fmt: skip
    assert (record["name"], record["size"], record["license"]) == (
        "bert-base",
        len(DATA),
        "unknown",
    )
    keys = {row.kind: row.key for row in Artifact.objects.all()}
    assert record["model_key"] == keys["model"]
    assert record["code_key"] == keys["code"]
    assert record["dataset_key"] == keys["dataset"]


def test_scores_are_computed_and_those_without_facts_are_absent_F26_F27(
    client: APIClient, stored: dict[str, Any]
) -> None:
    unknown = stored["model"]
    assert unknown["scores"] == {"Size": 1.0, "Availability": pytest.approx(1 / 3, abs=0.001)}
    version = make.version(of=make.adapter(slug="front-desk", description="Sorts letters"))
    weights = make.package(seed=3)["adapter_model.safetensors"]
    version = make.version(of=version.adapter, files=make.package(seed=3))
    headers = {"X-Model-Name": "anything"}
    client.generic("POST", "/artifact/dataset", b"data", headers=headers)
    answer = client.generic("POST", "/artifact/model", weights, headers=headers).json()["model"]
    assert answer["license"] == "Apache-2.0" == version.adapter.base_model.licence
    assert answer["scores"] == {
        "License": 1.0,
        "Size": 1.0,
        "Availability": pytest.approx(2 / 3, abs=0.001),
        "BusFactor": pytest.approx(1 / 3, abs=0.001),  # one person has submitted
        "Reproducibility": 0.75,  # the training code is not there
        "RampUp": pytest.approx(2 / 3, abs=0.001),  # no README in the package
    }
    assert answer["scores_latency"].keys() == answer["scores"].keys()
    assert all(isinstance(ms, int) and ms >= 0 for ms in answer["scores_latency"].values())


def test_lost_bytes_count_as_not_available(
    client: APIClient, stored: dict[str, Any], own_store: Path
) -> None:
    (own_store / Artifact.objects.get().blob.key).unlink()
    answer = client.generic("POST", "/artifact/code", b"x", headers={"X-Model-Name": "bert-base"})
    assert answer.json()["model"]["scores"]["Availability"] == pytest.approx(1 / 3, abs=0.001)


def test_the_record_survives_a_round_trip_F28(stored: dict[str, Any]) -> None:
    record = selectors.as_record(selectors.record_by_name("bert-base"))
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert record.to_dict() == stored["model"]
    full = Record(
        name="full",
        size_bytes=1 << 40,
        licence="MIT",
        model_key="model/full/a.pkl",
        code_key="code/full/b.py",
        dataset_key="dataset/full/c.csv",
        scores={"Size": 0.25},
        scores_latency_ms={"Size": 7},
    )
    assert Record.from_dict(json.loads(json.dumps(full.to_dict()))) == full
    assert Record.from_dict({"name": "bare"}) == Record(name="bare")


@pytest.mark.parametrize("path", ["/artifacts/model", "/artifacts/model/", "/artifacts/model/%20"])
def test_a_missing_id_is_400_F46(reader: APIClient, path: str) -> None:
    answer = reader.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MISSING_ID")


def test_an_unknown_model_is_404_F47(reader: APIClient, stored: dict[str, Any]) -> None:
    # Names that are near that of a model name none, in whatever way one asks.
    for name in ("other", "bert", "bert-base-2", "Bert-Base", "bert%25", "org/bert-base"):
        for path in (f"/artifacts/model/{name}", f"/artifacts/code/{name}?metadata_only=true"):
            answer = reader.get(path)
            assert (answer.status_code, answer.json()["error_code"]) == (404, "MODEL_NOT_FOUND")
        assert reader.head(f"/artifacts/model/{name}").status_code == 404


def test_a_missing_artifact_is_404_F48(reader: APIClient, stored: dict[str, Any]) -> None:
    answer = reader.get("/artifacts/dataset/bert-base")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ARTIFACT_NOT_FOUND")


def test_errors_are_a_text_and_a_code_F43(reader: APIClient) -> None:
    for path in ("/artifacts/model/none", "/artifacts/odd/none", "/artifact/model"):
        body = reader.get(path).json()
        assert set(body) == {"error", "error_code"}
        assert len(body["error"]) > 5 and body["error_code"].isupper()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/artifact"),
        ("POST", "/artifact/model/extra"),
        ("GET", "/artifact/model"),
        ("POST", "/artifacts/model/m"),
        ("DELETE", "/artifacts/model/m"),
        ("GET", "/lambda/anything"),
        ("GET", "/lambda/artifact-like/model"),
    ],
)
def test_anything_else_is_not_found_F3(client: APIClient, method: str, path: str) -> None:
    answer = client.generic(method, path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not found", "error_code": "NOT_FOUND"}
    assert answer["Access-Control-Allow-Origin"] == "*"


def test_names_may_hold_a_slash_and_other_letters(client: APIClient) -> None:
    name = "org/modèle"
    client.generic(
        "POST", "/artifact/model", b"x", headers={"X-Model-Name": name.encode().decode("latin-1")}
    )
    assert client.get(f"/artifacts/model/{name}?metadata_only=1").json()["model_name"] == name


def test_browsers_may_ask_before_they_call() -> None:
    answer = APIClient().options("/artifact/model", headers={"Origin": "https://else.example"})
    assert answer.status_code == 204
    assert "POST" in answer["Access-Control-Allow-Methods"]
    assert "X-Model-Name" in answer["Access-Control-Allow-Headers"]


def test_the_lambda_envelope_is_given_on_request(reader: APIClient, stored: dict[str, Any]) -> None:
    wish = {"X-Response-Envelope": "lambda"}
    answer = reader.get("/artifacts/model/bert-base?metadata_only=1", headers=wish).json()
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert json.loads(answer["body"])["model_name"] == "bert-base"
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    refused = reader.get("/artifacts/model/none", headers=wish)
    assert refused.status_code == refused.json()["statusCode"] == 404
    file = reader.get("/artifacts/model/bert-base", headers=wish)
    envelope = json.loads(b"".join(file.streaming_content))
    assert envelope["isBase64Encoded"] is True
    assert b64decode(envelope["body"]) == DATA


def test_bytes_that_the_store_lost_are_the_contracts_500_F50(
    reader: APIClient, stored: dict[str, Any], own_store: Path
) -> None:
    kept = own_store / Artifact.objects.get().blob.key
    kept.unlink()
    answer = reader.get("/artifacts/model/bert-base")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "S3_DOWNLOAD_ERROR")
    kept.mkdir()  # there is something, and the system refuses to read it
    answer = reader.get("/artifacts/model/bert-base")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "S3_DOWNLOAD_ERROR")


def test_pickles_are_kept_and_quarantined_and_can_be_in_no_version(client: APIClient) -> None:
    pickle = b"\x80\x04\x95" + b"x" * 100
    client.generic("POST", "/artifact/model", pickle, headers={"X-Model-Name": "p"})
    sha256 = Artifact.objects.get().blob.sha256
    assert sha256 in selectors.quarantined([sha256])
    make.adapter(slug="wants-it")
    files = [{"path": "adapter_config.json", "sha256": sha256}]
    answer = client.post("/api/v1/adapters/wants-it/versions", {"files": files}, format="json")
    assert answer.status_code == 422
    assert [row["code"] for row in answer.json()["errors"]] == ["bytes_quarantined"]


def test_a_bad_name_quarantines_nothing_that_a_version_has(client: APIClient) -> None:
    files = make.package(seed=9)
    make.version(files=files)
    headers = {"X-Model-Name": "m", "Content-Disposition": "attachment; filename=a.pkl"}
    client.generic("POST", "/artifact/model", files["adapter_config.json"], headers=headers)
    artifact = Artifact.objects.get()
    assert artifact.quarantine
    assert selectors.quarantined([artifact.blob.sha256]) == {}


def test_the_headers_alone_are_given_on_head(client: APIClient, own_store: Path) -> None:
    client.generic("POST", "/artifact/model", b"data", headers={"X-Model-Name": "m"})
    got, headed = client.get("/artifacts/model/m"), client.head("/artifacts/model/m")
    assert (headed.status_code, headed.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition"):
        assert headed[name] == got[name]
    assert b"".join(got.streaming_content) == b"data"
    Path(own_store, Artifact.objects.get().blob.key).unlink()
    assert client.head("/artifacts/model/m").status_code == 500
    assert client.head("/artifacts/model/none").status_code == 404


def test_an_address_with_nul_is_refused_in_json(client: APIClient) -> None:
    answer = client.get("/artifacts/model/a%00b")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID")
