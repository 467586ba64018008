"""Two programs that ask on while processes are killed, and say how each request ended."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import httpx

from tests.flows.notes import Note

CALLERS = 2
MOST_SECONDS = 30.0
PAUSE_SECONDS = 0.1
AWAY_SECONDS = 0.5
"""After an answer that failed: each counts in the canary's judgement, which waits for the node."""


class End(StrEnum):
    WHOLE = "a complete answer"
    ERROR = "an error"
    CLOSED = "a closed connection"
    HALF = "an answer without an end, on a connection that stayed open"


@dataclass(frozen=True)
class Asked:
    """One request; ``versions``: every version that its parts name."""

    note: Note
    end: End
    seconds: float
    text: str = ""
    versions: frozenset[str] = frozenset()
    status: int = 0


class Callers:
    """They know the model's name and nothing of who is killed."""

    def __init__(self, url: str, model: str, token: str, pool: Sequence[Note]) -> None:
        self._url, self._model, self._pool = url, model, pool
        self._head = {"Authorization": f"Bearer {token}"}
        self._lock = threading.Lock()
        self._errors: list[Exception] = []
        self.asked: list[Asked] = []

    @contextmanager
    def asking(self) -> Iterator[None]:
        ending = threading.Event()
        threads = [
            threading.Thread(target=self._run, args=(number, ending), daemon=True)
            for number in range(CALLERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ending.set()
            for thread in threads:
                thread.join(2 * MOST_SECONDS)
        assert not any(thread.is_alive() for thread in threads), "a request never ended"
        assert not self._errors, self._errors

    def _run(self, number: int, ending: threading.Event) -> None:
        try:
            with httpx.Client(base_url=self._url, headers=self._head, timeout=60) as http:
                turn = number
                while not ending.is_set():
                    asked = self._ask(http, self._pool[turn % len(self._pool)], turn % 2 == 0)
                    with self._lock:
                        self.asked.append(asked)
                    turn += CALLERS + 1
                    ending.wait(PAUSE_SECONDS if asked.end is End.WHOLE else AWAY_SECONDS)
        except Exception as error:  # noqa: BLE001 - told in the test's thread
            self._errors.append(error)

    def _ask(self, http: httpx.Client, note: Note, is_streamed: bool) -> Asked:
        body = {"model": self._model, "messages": note.messages, "stream": is_streamed}
        began = time.monotonic()
        try:
            answer = http.post("/v1/chat/completions", json=body)
        except httpx.TransportError:
            return Asked(note, End.CLOSED, time.monotonic() - began)
        seconds = time.monotonic() - began
        if answer.status_code != 200:
            assert answer.json()["error"]["code"], "an error says what it is"
            return Asked(note, End.ERROR, seconds, status=answer.status_code)
        version = answer.headers["X-Formulary-Version"]
        if not is_streamed:
            whole = answer.json()
            names = frozenset({version, _named(whole)})
            text = whole["choices"][0]["message"]["content"]
            return Asked(note, End.WHOLE, seconds, text, names, 200)
        return _of_stream(note, seconds, version, answer.text)


def _of_stream(note: Note, seconds: float, version: str, text: str) -> Asked:
    *lines, last = text.removesuffix("\n\n").split("\n\n")
    if last != "data: [DONE]":
        found = json.loads(last.removeprefix("data: "))
        return Asked(note, End.ERROR if "error" in found else End.HALF, seconds, status=200)
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    names = frozenset({version, *(_named(chunk) for chunk in chunks)})
    return Asked(note, End.WHOLE, seconds, said, names, 200)


def _named(part: dict[str, str]) -> str:
    return part["system_fingerprint"].split("/")[0]


def is_answered(asked: Sequence[Asked]) -> bool:
    """Whether one of these requests got its whole answer."""
    return any(each.end is End.WHOLE for each in asked)


def require_ends(asked: Sequence[Asked], is_right: Callable[[str, Asked], bool]) -> None:
    """Each ended in time, none in silence, and no answer is of two versions or of none."""
    assert is_answered(asked)
    for each in asked:
        assert each.seconds <= MOST_SECONDS, each
        assert each.end is not End.HALF, each
        if each.end is End.WHOLE:
            (version,) = each.versions
            assert is_right(version, each), each
