"""The artifact contract as an AWS Lambda function: API Gateway events (v1) in and out.

The handler's name for AWS is ``registry.lambda_function.lambda_handler``. It runs the same views as
our server; Django and the AWS clients are set up by the first event.
"""

import io
import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

# AWS takes 6 MB of answer from a function and puts nothing through that is longer.
ANSWER_BYTES = 6 * 1024**2
PREFIXES = ("/artifact/", "/artifacts/")
CREDENTIALS = frozenset({"authorization", "x-authorization", "x-api-key"})
TEXT = ("application/json", "text/")
_PARAMETER = re.compile(r"\{([^{}+]+)\+?\}")
NOT_FOUND = (404, {"error": "Not found", "error_code": "NOT_FOUND"})
Answer = dict[str, Any]


def lambda_handler(event: Mapping[str, Any], context: Any) -> Answer:
    """Answer one event: ``{statusCode, headers, body, isBase64Encoded}``.

    ``context`` is not needed. An event without credentials is answered as LAMBDA_TOKEN's account
    where that is set, and refused where it is not.
    """
    path = path_of(event)
    if not path.startswith(PREFIXES) or not event.get("httpMethod"):
        return _refusal(*NOT_FOUND)
    try:
        body = _body(event)
    except ValueError:
        wrong = {
            "error": "The body is no text, or not the base64 that it is said to be.",
            "error_code": "INVALID_BODY",
        }
        return _refusal(400, wrong)
    handler = _handler()
    started: list[Any] = []
    response = handler(
        _environ(event, path, body), lambda status, headers: started.extend([status, headers])
    )
    try:
        return _answer(started[0], started[1], response)
    finally:
        response.close()


def path_of(event: Mapping[str, Any]) -> str:
    """The contract's path of an event: its resource filled in, or its path without the stage.

    A base path that API Gateway maps does not stand in ``resource``, so that one comes first. REST
    APIs hand addresses on percent-encoded; HTTP APIs decode theirs, and alone have a ``version``.
    """
    resource, given = str(event.get("resource") or ""), event.get("pathParameters") or {}
    plain: Callable[[str], str] = str if event.get("version") else unquote
    names = _PARAMETER.findall(resource)
    if names and all(given.get(name) is not None for name in names):
        return _PARAMETER.sub(lambda found: plain(str(given[found[1]])), resource)
    path = plain(str(event.get("path") or ""))
    stage = (event.get("requestContext") or {}).get("stage")
    return path.removeprefix(f"/{stage}") if stage and path.startswith(f"/{stage}/") else path


@cache
def _handler() -> Any:
    """Django's own WSGI handler, bound to this contract's paths."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["FORMULARY_PROCESS"] = "web"
    import django

    django.setup()
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

    class LambdaRequest(WSGIRequest):
        urlconf = "registry.api.artifact_urls"

    class LambdaHandler(WSGIHandler):
        request_class = LambdaRequest

    return LambdaHandler()


def _environ(event: Mapping[str, Any], path: str, body: bytes) -> dict[str, Any]:
    from django.conf import settings

    headers = _headers(event)
    if settings.LAMBDA_TOKEN and not CREDENTIALS & headers.keys():
        headers["authorization"] = f"Bearer {settings.LAMBDA_TOKEN}"
    # API Gateway decides which names lead to the function; this is the name that Django expects.
    host = urlsplit(settings.FORMULARY_URL).netloc
    environ: dict[str, Any] = {
        "REQUEST_METHOD": str(event["httpMethod"]).upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": _query(event),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.pop("content-type", ""),
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": ((event.get("requestContext") or {}).get("identity") or {}).get("sourceIp")
        or "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    # The whole answer is put into an envelope here; the client's wish for one is met.
    for name in ("content-length", "transfer-encoding", "x-response-envelope", "host"):
        headers.pop(name, None)
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return environ | {"HTTP_HOST": host}


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Headers by name in lower case; API Gateway sends them once, or several values of each."""
    found = {
        str(name).lower(): ", ".join(map(str, values))
        for name, values in (event.get("multiValueHeaders") or {}).items()
        if values
    }
    single = event.get("headers") or {}
    found |= {str(name).lower(): str(value) for name, value in single.items() if value is not None}
    # WSGI headers are bytes in Latin-1's clothes.
    return {name: value.encode().decode("latin-1") for name, value in found.items()}


def _query(event: Mapping[str, Any]) -> str:
    several = event.get("multiValueQueryStringParameters") or {}
    single = event.get("queryStringParameters") or {}
    pairs = several or {name: [value] for name, value in single.items() if value is not None}
    return urlencode(pairs, doseq=True, quote_via=quote)


def _body(event: Mapping[str, Any]) -> bytes:
    """The body's bytes.

    Raises:
        ValueError: it is no text, as an event's is, or not valid base64 where it is said to be.
    """
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str | bytes | bytearray):
        raise ValueError(type(body).__name__)
    if event.get("isBase64Encoded"):
        return b64decode(body, validate=True)
    return body.encode() if isinstance(body, str) else bytes(body)


def _answer(status: str, headers: list[tuple[str, str]], pieces: Iterable[bytes]) -> Answer:
    content = bytearray()
    for piece in pieces:
        content += piece
        # Base64 makes four letters of three bytes.
        if len(content) * 4 // 3 > ANSWER_BYTES:
            error = "The file is too long for an answer of a Lambda function. Fetch it from the "
            error += "server itself, or ask with metadata_only=true."
            return _refusal(413, {"error": error, "error_code": "ANSWER_TOO_LARGE"})
    named = dict(headers)
    # A file has an ETag, and is base64 whatever it says that it is.
    is_text = named.get("Content-Type", "").startswith(TEXT) and "ETag" not in named
    return {
        "statusCode": int(status.split()[0]),
        "headers": named,
        "body": content.decode() if is_text else b64encode(content).decode(),
        "isBase64Encoded": not is_text,
    }


def _refusal(status: int, body: Mapping[str, str]) -> Answer:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
