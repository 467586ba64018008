"""The Lambda function: API Gateway events in and out."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from registry.lambda_function import ANSWER_BYTES, lambda_handler, path_of
from registry.models import Artifact
from registry.services import blobs

pytestmark = pytest.mark.django_db
FORM = (
    b'--xx\r\nContent-Disposition: form-data; name="model_name"\r\n\r\nof-the-form\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="file"; filename="m.zip"\r\n\r\n'
    b"\x00\xff\r\n--xx--\r\n"
)
# Where an event has its headers, once or with several values of each.
HEADERS = pytest.mark.parametrize("where", ["headers", "multiValueHeaders"])


def header_parts(where: str, headers: dict[str, str]) -> dict[str, Any]:
    """The parts of an event that has these headers in this place alone."""
    several = {name: [value] for name, value in headers.items()}
    empty: dict[str, Any] = {"headers": None, "multiValueHeaders": None}
    return empty | {where: headers if where == "headers" else several}


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """A test's transaction outlives the requests in it; Django's own test client does the same."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture
def function_token(token: str, settings: Any) -> str:
    """The function's own account, for events that bring no credentials."""
    settings.LAMBDA_TOKEN = token
    return token


def upload_event(**changes: Any) -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "path": "/artifact/model",
        "pathParameters": {"artifact_type": "model"},
        "headers": {"content-type": "multipart/form-data", "X-Model-Name": "test-model"},
        "body": b64encode(b"model content").decode(),
        "isBase64Encoded": True,
    } | changes


def download_event(**changes: Any) -> dict[str, Any]:
    return {
        "httpMethod": "GET",
        "path": "/artifacts/model/test-model",
        "pathParameters": {"artifact_type": "model", "id": "test-model"},
        "queryStringParameters": {"metadata_only": "false"},
    } | changes


def test_made_up_events_run_locally_F60(function_token: str) -> None:
    assert lambda_handler(upload_event(), None)["statusCode"] == 200
    answer = lambda_handler(download_event(), None)
    assert answer["statusCode"] == 200
    assert b64decode(answer["body"]) == b"model content"


def test_an_event_is_taken_with_all_its_parts_F39(token: str) -> None:
    event = upload_event(
        headers=None,
        multiValueHeaders={
            "Authorization": [f"Bearer {token}"],
            "Content-Type": ["application/zip"],
            "X-Model-Name": ["von-mehreren"],
        },
        requestContext={"stage": "prod", "identity": {"sourceIp": "192.0.2.7"}},
        path="/prod/artifact/dataset",
        pathParameters=None,
    )
    body = json.loads(lambda_handler(event, None)["body"])
    assert (body["artifact_type"], body["model_name"]) == ("dataset", "von-mehreren")
    asked = download_event(
        path="/mapped/base/artifacts/dataset/von-mehreren",
        resource="/artifacts/{artifact_type}/{id}",
        pathParameters={"artifact_type": "dataset", "id": "von-mehreren"},
        queryStringParameters=None,
        multiValueQueryStringParameters={"metadata_only": ["yes"]},
        headers={"X-API-Key": token},
    )
    assert json.loads(lambda_handler(asked, None)["body"])["model_name"] == "von-mehreren"


def test_an_answer_has_status_headers_and_a_body_of_text_F40(function_token: str) -> None:
    answer = lambda_handler(upload_event(), None)
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    refused = lambda_handler(upload_event(path="/else"), None)
    # API Gateway takes a number and no text.
    for found, status in ((answer, 200), (refused, 404)):
        assert (found["statusCode"], type(found["statusCode"])) == (status, int)
    assert answer["headers"]["Content-Type"] == "application/json"
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert json.loads(answer["body"])["message"] == "Artifact uploaded successfully"
    assert answer["isBase64Encoded"] is False
    json.dumps(answer)  # AWS wants JSON


def test_files_are_answered_in_base64_F34(function_token: str) -> None:
    data = bytes(range(256)) * 9
    lambda_handler(upload_event(body=b64encode(data).decode()), None)
    answer = lambda_handler(download_event(), None)
    assert answer["isBase64Encoded"] is True
    assert answer["headers"]["Content-Type"] == "application/octet-stream"
    assert b64decode(answer["body"], validate=True) == data


def test_json_files_are_files_too(function_token: str) -> None:
    headers = {"Content-Type": "application/json", "X-Model-Name": "test-model"}
    lambda_handler(upload_event(headers=headers, body='{"a": 1}', isBase64Encoded=False), None)
    answer = lambda_handler(download_event(), None)
    assert answer["isBase64Encoded"] is True
    assert b64decode(answer["body"]) == b'{"a": 1}'


@pytest.mark.parametrize("is_encoded", [True, False])
def test_bodies_are_decoded_where_they_are_base64_F41(
    function_token: str, is_encoded: bool
) -> None:
    text = b64encode(b"the bytes").decode()
    lambda_handler(upload_event(body=text, isBase64Encoded=is_encoded), None)
    with blobs.open(Artifact.objects.get().blob) as stream:
        assert stream.read() == (b"the bytes" if is_encoded else text.encode())


def test_a_form_in_base64_is_read(function_token: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=xx"}
    answer = lambda_handler(upload_event(headers=headers, body=b64encode(FORM).decode()), None)
    assert json.loads(answer["body"])["model_name"] == "of-the-form"
    assert (
        b64decode(lambda_handler(download_event(path="/artifacts/model/of-the-form"), None)["body"])
        == b"\x00\xff"
    )


@HEADERS
@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_header_names_count_in_any_case_F42(
    token: str, write: Callable[[str], str], where: str
) -> None:
    """The name, the type (which makes the extension, or a form of the body), the credentials."""
    headers = {
        "x-model-name": "any-case",
        "content-type": "application/zip",
        "authorization": f"Bearer {token}",
    }

    def stored(sent: dict[str, str], data: bytes) -> dict[str, str]:
        parts = header_parts(where, {write(name): value for name, value in sent.items()})
        event = upload_event(body=b64encode(data).decode(), **parts)
        answer: dict[str, str] = json.loads(lambda_handler(event, None)["body"])
        return answer

    raw = stored(headers, b"model content")
    assert raw["model_name"] == "any-case"
    assert raw["s3_key"].endswith(".zip")
    form = stored(headers | {"content-type": "multipart/form-data; boundary=xx"}, FORM)
    assert form["model_name"] == "of-the-form"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"path": "/artifact/odd"}, 400, "INVALID_ARTIFACT_TYPE"),
        ({"body": None}, 400, "MISSING_BODY"),
        ({"body": "no base64!"}, 400, "INVALID_BODY"),
        ({"body": {"a": 1}}, 400, "INVALID_BODY"),
        ({"body": {"a": 1}, "isBase64Encoded": False}, 400, "INVALID_BODY"),
        ({"path": "/else"}, 404, "NOT_FOUND"),
        ({"path": "/health"}, 404, "NOT_FOUND"),
        ({"path": "/artifact/model/x"}, 404, "NOT_FOUND"),
        ({"httpMethod": "PUT"}, 404, "NOT_FOUND"),
        ({"httpMethod": None}, 404, "NOT_FOUND"),
    ],
)
def test_errors_of_events(
    function_token: str, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = lambda_handler(upload_event(**changes), None)
    assert answer["statusCode"] == status
    assert json.loads(answer["body"])["error_code"] == code


def test_without_credentials_and_without_an_account_of_its_own_it_refuses(db: None) -> None:
    answer = lambda_handler(upload_event(), None)
    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["error_code"] == "NOT_AUTHENTICATED"


@HEADERS
@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key", "authorization", "AUTHORIZATION"])
def test_an_event_with_credentials_is_never_answered_as_the_functions_account_F42(
    function_token: str, name: str, where: str
) -> None:
    parts = header_parts(where, {name: "Bearer fml_unknown"})
    answer = lambda_handler(upload_event(**parts), None)
    assert answer["statusCode"] == 401
    assert json.loads(answer["body"])["error_code"] == "AUTHENTICATION_FAILED"


def test_a_file_that_aws_would_not_pass_on_is_refused_in_words(function_token: str) -> None:
    data = b64encode(bytes(ANSWER_BYTES * 3 // 4 + 3)).decode()
    assert lambda_handler(upload_event(body=data), None)["statusCode"] == 200
    answer = lambda_handler(download_event(), None)
    assert answer["statusCode"] == 413
    assert json.loads(answer["body"])["error_code"] == "ANSWER_TOO_LARGE"


def test_clients_are_made_when_they_are_needed_F55() -> None:
    """Importing the function, as a cold start does, sets up neither Django nor an AWS client."""
    program = (
        "import sys; import registry.lambda_function as f; "
        "print([m for m in ('django', 'boto3', 'botocore') if m in sys.modules]);"
        "print(f.lambda_handler({'httpMethod': 'GET', 'path': '/else'}, None)['statusCode']);"
        "print('django' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split("\n")[:3] == ["[]", "404", "False"]


def test_a_path_is_found_by_its_resource_before_its_text() -> None:
    event = {
        "resource": "/artifacts/{artifact_type}/{id+}",
        "path": "/v2/artifacts/model/a%2Fb",
        "pathParameters": {"artifact_type": "model", "id": "a/b"},
    }
    assert path_of(event) == "/artifacts/model/a/b"
    assert path_of(event | {"pathParameters": None}) == "/v2/artifacts/model/a/b"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        # REST APIs leave addresses as they were sent.
        ({"path": "/artifacts/model/BERT%20base%2Fv2"}, "/artifacts/model/BERT base/v2"),
        ({"pathParameters": {"id": "BERT%20base%2Fv2"}}, "/artifacts/model/BERT base/v2"),
        ({"pathParameters": {"id": "50%25%2520off"}}, "/artifacts/model/50%%20off"),
        ({"pathParameters": {"id": "{id}"}}, "/artifacts/model/{id}"),
        # HTTP APIs have decoded them, and say that they are one.
        ({"version": "1.0", "path": "/artifacts/model/100%25"}, "/artifacts/model/100%25"),
        ({"version": "1.0", "pathParameters": {"id": "100%25"}}, "/artifacts/model/100%25"),
        ({"pathParameters": {"id": None}, "path": "/artifacts/model/m"}, "/artifacts/model/m"),
    ],
)
def test_an_address_is_decoded_once(event: dict[str, Any], path: str) -> None:
    template = {"resource": "/artifacts/model/{id}", "path": None, "pathParameters": None}
    assert path_of(template | event) == path


def test_what_fails_unforeseen_is_said_in_the_contracts_words(
    function_token: str, settings: Any
) -> None:
    settings.STORAGES = {**settings.STORAGES, "blobs": {"BACKEND": "there.is.none"}}
    answer = lambda_handler(upload_event(), None)
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["error_code"] == "INTERNAL"
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
