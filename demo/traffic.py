"""Eight clients that ask about notes all the time and report nine in ten wrong answers.

A client knows its note and the right answer; it does not know which version answers.
"""

import json
import random
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from . import task

REPORT_SHARE = 0.9
STREAM_EVERY = 4
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Outcome:
    """One request as its client saw it."""

    phase: str
    note_index: int
    is_ok: bool
    problem: str
    text: str
    finish: str
    version: str
    answer_id: str
    is_streamed: bool
    is_right: bool
    is_reported: bool


class Traffic:
    """Clients over HTTP; ``phase`` names what the demo is doing, for the record."""

    def __init__(
        self,
        *,
        url: str,
        token: str,
        model: str,
        pool: Sequence[dict[str, Any]],
        record_path: Path,
        clients: int = 8,
        seed: int = 7,
    ) -> None:
        self._url = url
        self._token = token
        self._model = model
        self._pool = pool
        self._clients = clients
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._record = record_path.open("a", encoding="utf-8")
        self.phase = "start"
        self.outcomes: list[Outcome] = []
        self._rounds = 0

    def start(self) -> None:
        """Let the clients ask."""
        self._stop.clear()
        self._rounds += 1
        self._threads = [
            threading.Thread(target=self._client, args=(number,), daemon=True)
            for number in range(self._clients)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish the answer it waits for, then rest."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._record.flush()

    @property
    def count(self) -> int:
        """Requests that have ended."""
        with self._lock:
            return len(self.outcomes)

    def _client(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{self._rounds}/{number}")
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=TIMEOUT_SECONDS) as http:
            while not self._stop.is_set():
                index = chance.randrange(len(self._pool))
                outcome = self._ask(http, index, is_streamed=chance.randrange(STREAM_EVERY) == 0)
                if outcome.is_ok and not outcome.is_right and chance.random() < REPORT_SHARE:
                    outcome = self._report(http, outcome)
                with self._lock:
                    self.outcomes.append(outcome)
                    self._record.write(json.dumps(asdict(outcome)) + "\n")

    def _ask(self, http: httpx.Client, index: int, *, is_streamed: bool) -> Outcome:
        item = self._pool[index]
        body = {
            "model": self._model,
            "messages": task.messages(item["note"]),
            "temperature": 0,
            "stream": is_streamed,
        }
        phase = self.phase
        text = finish = version = answer_id = problem = ""
        try:
            if is_streamed:
                with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                    status = answer.status_code
                    version = answer.headers.get("X-Formulary-Version", "")
                    answer_id = answer.headers.get("X-Formulary-Answer", "")
                    text, finish, is_done = _read_stream(answer)
                    if status == 200 and not is_done:
                        problem = "the stream was cut"
            else:
                answer = http.post("/v1/chat/completions", json=body)
                status = answer.status_code
                version = answer.headers.get("X-Formulary-Version", "")
                answer_id = answer.headers.get("X-Formulary-Answer", "")
                if status == 200:
                    choice = answer.json()["choices"][0]
                    text, finish = choice["message"]["content"], choice["finish_reason"]
            if status != 200:
                problem = f"status {status}"
            elif not task.obeys_contract(text):
                problem = "the agreed form is broken"
            elif not version or not answer_id:
                problem = "the answer does not say who gave it"
        except httpx.HTTPError as error:
            problem = type(error).__name__
        return Outcome(
            phase=phase,
            note_index=index,
            is_ok=not problem,
            problem=problem,
            text=text,
            finish=finish,
            version=version,
            answer_id=answer_id,
            is_streamed=is_streamed,
            is_right=task.is_right(item, text),
            is_reported=False,
        )

    def _report(self, http: httpx.Client, outcome: Outcome) -> Outcome:
        try:
            answer = http.post(
                "/v1/feedback",
                json={"answer_id": outcome.answer_id, "verdict": "bad", "category": "wrong"},
            )
            is_reported = answer.status_code in {200, 201}
        except httpx.HTTPError:
            is_reported = False
        return Outcome(**{**asdict(outcome), "is_reported": is_reported})


def _read_stream(answer: httpx.Response) -> tuple[str, str, bool]:
    """The text, the finish reason, and whether the stream came to its end."""
    text, finish = "", ""
    for line in answer.iter_lines():
        if line == "data: [DONE]":
            return text, finish, True
        if line.startswith("data: "):
            chunk = json.loads(line.removeprefix("data: "))
            for choice in chunk.get("choices", ()):
                text += choice["delta"].get("content") or ""
                finish = choice.get("finish_reason") or finish
    return text, finish, False
