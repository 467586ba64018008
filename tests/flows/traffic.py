"""Clients that ask about notes all the time and report every wrong answer that they get."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.flows.notes import Note

CLIENTS = 8
STREAM_EVERY = 4


@dataclass(frozen=True)
class Outcome:
    """One answer as its client got it, while ``phase`` was going on; monotonic seconds."""

    phase: str
    note: Note
    status: int
    text: str
    is_whole: bool
    version: str
    asked_at: float


class Traffic:
    """Eight programs; they know their notes and the right answers, and not who answers."""

    def __init__(self, url: str, model: str, token: str, pool: Sequence[Note]) -> None:
        self._url, self._model, self._token, self._pool = url, model, token, pool
        self._lock = threading.Lock()
        self._errors: list[Exception] = []
        self.outcomes: list[Outcome] = []

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """All programs ask inside of the block; each ends after its answer."""
        ending = threading.Event()
        threads = [
            threading.Thread(target=self._run, args=(phase, number, ending), daemon=True)
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ending.set()
            for thread in threads:
                thread.join(60)
        assert not self._errors, self._errors
        assert not any(thread.is_alive() for thread in threads)

    def of(self, phase: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.phase == phase]

    def _run(self, phase: str, number: int, ending: threading.Event) -> None:
        head = {"Authorization": f"Bearer {self._token}"}
        try:
            with httpx.Client(base_url=f"{self._url}/v1/", headers=head, timeout=60) as http:
                turn = number
                while not ending.is_set():
                    self._ask(http, phase, self._pool[turn % len(self._pool)], turn)
                    turn += CLIENTS + 1
        except Exception as error:  # noqa: BLE001 - told in the test's thread
            self._errors.append(error)

    def _ask(self, http: httpx.Client, phase: str, note: Note, turn: int) -> None:
        is_streamed = turn % STREAM_EVERY == 0
        body = {"model": self._model, "messages": note.messages, "stream": is_streamed}
        asked_at = time.monotonic()
        answer = http.post("chat/completions", json=body)
        text, is_whole = "", False
        if answer.status_code == 200 and is_streamed:
            *lines, last = answer.text.removesuffix("\n\n").split("\n\n")
            chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
            text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
            is_whole = last == "data: [DONE]"
        elif answer.status_code == 200:
            text, is_whole = answer.json()["choices"][0]["message"]["content"], True
        version = answer.headers.get("X-Formulary-Version", "")
        with self._lock:
            self.outcomes.append(
                Outcome(phase, note, answer.status_code, text, is_whole, version, asked_at)
            )
        if answer.status_code == 200 and text != note.right:
            report = {"answer_id": answer.headers["X-Formulary-Answer"], "verdict": "bad"}
            http.post("feedback", json=report).raise_for_status()
