"""A large body of a caller whom nobody knows is refused before it is read or stored."""

import io
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from config.accounts import large_bodies
from config.accounts.roles import Role
from config.asgi import _django
from config.contracts import refusal_at
from tests.factories import accounts
from tests.factories import gateway as servers
from tests.factories import registry as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("servers")]
SIZE_BYTES = 50 << 20


class Spool:
    """Every file opened in the folder of temporary files, also those that never have a name."""

    def __init__(self) -> None:
        self.folder, self.opened = "", 0
        sys.addaudithook(self._hear)  # for the life of the process: hooks can't be taken away

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and self.folder and str(given[0]).startswith(self.folder):
            self.opened += 1


_spool = Spool()


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _spool.folder, _spool.opened = str(tmp_path), 0
    yield _spool
    _spool.folder = ""


@pytest.fixture
def url(spool: Spool) -> Iterator[str]:
    with servers.served(large_bodies.LargeBodies(_django)) as found:
        yield found


def _begun(url: str, path: str, *headers: str) -> tuple[int, bytes, int]:
    """Send the head of a request of 50 MB and then its body until the answer is there.

    Returns the status, the answer, and how many bytes of the body were taken.
    """
    parts = urlsplit(url)
    lines = [f"POST {path} HTTP/1.1", f"Host: {parts.netloc}", *headers]
    sent, answer, piece = 0, b"", bytes(1 << 16)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        reader = line.makefile("rb")
        status = int(reader.readline().split()[1])
        try:
            while sent < SIZE_BYTES:
                line.sendall(piece)
                sent += len(piece)
        except OSError:  # the server has hung up, as it said
            pass
        try:
            answer = reader.read()
        except OSError:
            answer = b""
    return status, answer, sent


@pytest.mark.parametrize("path", ["/api/v1/adapters/a/versions", "/accounts/login/", "/"])
@pytest.mark.parametrize("credential", ["", "Authorization: Bearer fml_no", "Cookie: sessionid=no"])
def test_an_unknown_caller_of_50_MB_is_refused_and_leaves_no_file(
    url: str, spool: Spool, path: str, credential: str
) -> None:
    status, _, sent = _begun(
        url,
        path,
        f"Content-Length: {SIZE_BYTES}",
        "Content-Type: multipart/form-data; boundary=x",
        *filter(None, [credential]),
    )
    assert status == 401
    assert sent < SIZE_BYTES  # it hung up long before the end
    assert spool.opened == 0


def test_who_waits_for_the_answer_reads_a_problem(url: str) -> None:
    answer = httpx.post(f"{url}/api/v1/adapters", content=bytes(3 << 20))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "not-authenticated"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_body_without_a_length_needs_a_known_caller_too(url: str) -> None:
    answer = httpx.post(f"{url}/api/v1/adapters", content=iter([b"{}"]))
    assert answer.status_code == 401


def test_known_callers_upload_as_ever(url: str, spool: Spool) -> None:
    adapter = make.adapter(owner=accounts.engineer())
    package = make.zip_of(make.package() | {"notes.bin": bytes(2 << 20)})
    where = f"{url}/api/v1/adapters/{adapter.ref}/versions"
    bearer = {"Authorization": f"Bearer {accounts.token_text(adapter.owner)}"}
    answer = httpx.post(where, files={"archive": io.BytesIO(package)}, headers=bearer, timeout=60)
    assert answer.status_code == 201, answer.text
    assert spool.opened > 0
    client = Client()
    client.force_login(accounts.user(Role.REVIEWER))
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    answer = httpx.post(where, files={"archive": io.BytesIO(package)}, headers=cookie, timeout=60)
    assert answer.status_code == 403  # known, and not allowed: the view says it


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/adapters",
        "/sagemaker/adapters",
        "/manager/adapters",
        "/manager/compose",
        "/lambda/artifact/model",
        "/avatar/persistence/adapters/restore/one",
        "/adapters",
        "/adapters/4b5c6a3e-0b1a-4d7e-9c55-2d9f5a6f7c11/activate",
        "/adapters/somebody/one/train",
        "/training-data/somebody/one/upload",
        "/compose",
        "/artifact/model",
        "/api/models/ns/repo/paths-info/main",
    ],
)
def test_each_contract_refuses_a_large_body_in_the_shape_of_its_small_ones(path: str) -> None:
    """Compared with what the view itself says to a small body of an unknown caller."""
    small = Client().post(path, "{}", content_type="application/json")
    assert small.status_code == 401, small.content
    problem = {"type": "/docs/problems/x", "title": "X", "status": 401, "code": "not-authenticated",
               "detail": "No.", "fix": "Sign in.", "request_id": "1"}  # fmt: skip
    refusal = refusal_at(path, problem)
    said = small.json()
    # Ours says how to mend it besides, in a member that the contract has.
    assert refusal.body.keys() - {"fix"} == said.keys() - {"fix"}
    assert refusal.headers["Content-Type"] == small["Content-Type"]
    for name in ("Access-Control-Allow-Origin",):
        assert refusal.headers.get(name) == small.get(name)


def test_the_server_sends_it_so(spool: Spool) -> None:
    with servers.served(large_bodies.LargeBodies(_django, refusal_at)) as url:
        answer = httpx.post(f"{url}/lambda/artifact/model", content=bytes(3 << 20))
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "NOT_AUTHENTICATED"
    assert answer.headers["www-authenticate"] == "Bearer"
