"""Servers that are not there, not ours, or broken: each ends with a sentence and its own code."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deliveries.cli.access import Access
from deliveries.cli.api import Api
from deliveries.cli.endings import Ended, Exit
from deliveries.cli.main import main

PROBLEM = {"code": "database-busy", "detail": "It is busy.", "request_id": "r1"}
ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "html": (200, {}, b"<html>Welcome</html>"),
    "list": (200, {}, b"[1]"),
    "html-404": (404, {}, b"<html>No</html>"),
    "html-500": (500, {}, b"<html>Oh</html>"),
    "problem-500": (500, {}, json.dumps(PROBLEM).encode()),
    "problem-503": (503, {}, json.dumps(PROBLEM).encode()),
    "problem-404": (404, {}, json.dumps(PROBLEM | {"code": "x-not-found"}).encode()),
    "redirect": (301, {"Location": "https://elsewhere.example/"}, b""),
}


class _Strange(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, headers, body = ANSWERS[self.path.rpartition("/")[2]]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Strange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(5)


def _ended(url: str, path: str = "stops", **options: Any) -> Ended:
    with Api(Access(url, "t"), patience_seconds=0) as api, pytest.raises(Ended) as caught:
        api.json("GET", path, **options)
    return caught.value


@pytest.mark.parametrize(
    ("answer", "ending", "code", "said"),
    [
        ("html", Exit.AWAY, "not-formulary", "not as Formulary"),
        ("list", Exit.AWAY, "not-formulary", "not as Formulary"),
        ("html-404", Exit.AWAY, "not-formulary", "404"),
        ("html-500", Exit.AWAY, "http-500", "failed with 500"),
        ("problem-500", Exit.AWAY, "http-500", "request r1"),
        ("problem-503", Exit.AWAY, "database-busy", "It is busy."),
        ("problem-404", Exit.REFUSED, "x-not-found", "It is busy."),
        ("redirect", Exit.WRONG_USE, "redirected", "https://elsewhere.example/"),
    ],
)
def test_strange_answers(port: int, answer: str, ending: Exit, code: str, said: str) -> None:
    error = _ended(f"http://127.0.0.1:{port}", answer)
    assert (error.exit, error.code) == (ending, code)
    assert said in error.message


def test_a_port_where_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = _ended(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert (error.exit, error.code) == (Exit.AWAY, "connection-refused")


def test_a_name_that_leads_nowhere() -> None:
    error = _ended("http://nowhere.invalid")
    assert (error.exit, error.code) == (Exit.AWAY, "name-unknown")
    assert "nowhere.invalid" in error.message


def test_tls_that_is_none_is_not_waited_for(port: int) -> None:
    access = Access(f"https://127.0.0.1:{port}", "t")
    with Api(access, patience_seconds=60) as api, pytest.raises(Ended) as caught:
        api.json("GET", "stops")
    assert (caught.value.exit, caught.value.code) == (Exit.AWAY, "tls-failed")


def test_a_server_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = _ended(f"http://127.0.0.1:{silent.getsockname()[1]}", answer_seconds=0.1)
    assert (error.exit, error.code) == (Exit.AWAY, "timeout")


def test_waiting_is_told_once() -> None:
    notes: list[str] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        access = Access(f"http://127.0.0.1:{free.getsockname()[1]}", "t")
        with Api(access, patience_seconds=0.6, note=notes.append) as api, pytest.raises(Ended):
            api.json("GET", "stops")
    assert len(notes) == 1
    assert "Nothing listens" in notes[0]


@pytest.mark.parametrize(
    "url",
    ["http://", "http://host:99999", "http://host:0", "http://[::1", "http://a b", "host:80",
     "https://h/?x=1", "https://h/#x", "https://user:secret@h", "http://h\n"],
)  # fmt: skip
def test_an_address_that_is_none_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("FORMULARY_URL", url)
    monkeypatch.setenv("FORMULARY_TOKEN", "t")
    assert main(["status", "--json"]) == Exit.WRONG_USE
    printed = capsys.readouterr().out
    assert "FORMULARY_URL" in json.loads(printed)["error"]["fix"]
    assert "secret" not in printed


def test_files_that_cant_be_read_end_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORMULARY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("FORMULARY_TOKEN", "t")
    for path in (tmp_path / "none", tmp_path / ("x" * 300)):
        assert main(["push", str(path), "--adapter", "a"]) == Exit.WRONG_USE
        assert "can't be read" in capsys.readouterr().err
    assert main(["check", "x" * 5000]) == Exit.WRONG_USE
    label = ["--label", str(tmp_path)]
    assert main(["push", str(tmp_path), "--adapter", "a", *label]) == Exit.WRONG_USE
    assert "Is a directory" in capsys.readouterr().err


class _Interrupting(BaseHTTPRequestHandler):
    """Whoever asks gets the Ctrl-C of an impatient person in place of an answer."""

    def do_GET(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def log_message(self, *args: Any) -> None:
        pass


def test_an_interrupt_is_told_to_programs_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Programs that a shell puts into the background begin with the signal switched off.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Interrupting) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("FORMULARY_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("FORMULARY_TOKEN", "t")
        try:
            assert main(["status", "--json"]) == Exit.INTERRUPTED
        finally:
            signal.signal(signal.SIGINT, before)
            server.shutdown()
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_get_completions(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("push", "deploy", "version-name", "evidence"):
        assert word in script


def test_every_argument_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("push", "check", "deploy", "stop", "status", "completion"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert "Exit codes: 0 done" in " ".join(text.split())
