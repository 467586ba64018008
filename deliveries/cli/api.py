"""Calls of the server's API: problems become refusals, a server that is away is waited for."""

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from .access import Access
from .endings import Away, Ended, Refused
from .faults import not_ours, refusal, unanswered

# A server that restarts is back within seconds; one that moves takes a minute.
PATIENCE_SECONDS = 60.0
ANSWER_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0
PAGE_ROWS = 200


class Api:
    """One server under ``/api/v1/``, asked with one token."""

    def __init__(
        self,
        access: Access,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        note: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.patience_seconds = patience_seconds
        self._note = note
        self._url = access.url
        # Told of every answer, for whoever wants to know what was asked.
        self.answered: list[Callable[[httpx.Response], object]] = []
        self._client = httpx.Client(
            base_url=f"{access.url}/api/v1/",
            headers={"Authorization": f"Bearer {access.token}", "Accept": "application/json"},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=10),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def once(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> httpx.Response:
        """One request.

        Raises:
            Refused: an answer of the kind 4xx.
            Away: no answer, or one of a server that is not up.
            Faulty: a fault of the server, one that can't be trusted, or none of ours.
            WrongUse: it sends on to another address.
        """
        try:
            answer = self._client.request(
                method,
                path,
                headers=headers,
                content=content,
                json=json,
                params=params,
                timeout=httpx.Timeout(answer_seconds, connect=10),
            )
        except httpx.InvalidURL as error:
            raise Refused(f"{path[:200]!r} can't be asked for: {error}") from error
        except httpx.HTTPError as error:
            raise unanswered(error, url=self._url, answer_seconds=answer_seconds) from error
        for listener in self.answered:
            listener(answer)
        refused = refusal(answer, url=self._url)
        if refused is not None:
            raise refused
        return answer

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request that may be repeated: a server that is away is waited for.

        Raises:
            Ended: as ``once``, after patience.
        """
        is_told = False
        for pause_seconds in self.pauses():
            try:
                return self.once(method, path, **options)
            except Ended as error:
                if pause_seconds is None or not _may_pass(error):
                    raise
                if not is_told:
                    self._note(f"{error.message} Trying for {self.patience_seconds:.0f} s …")
                    is_told = True
                time.sleep(pause_seconds)
        raise AssertionError("the last pause is None")

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The body of ``call``.

        Raises:
            Faulty: something answers that is no Formulary.
        """
        return self.body_of(self.call(method, path, **options))

    def act(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST something that must not happen twice; a key makes repeating it safe."""
        headers = {"Idempotency-Key": str(uuid4())}
        return self.body_of(self.call("POST", path, json=dict(body), headers=headers))

    def newest(self, path: str, **params: str) -> list[dict[str, Any]]:
        """The first page of a list, newest first."""
        rows: list[dict[str, Any]] = self.json("GET", path, params=params).get("results", [])
        return rows

    def every(self, path: str, *, page_rows: int = PAGE_ROWS) -> Iterator[dict[str, Any]]:
        """Every row of a list, newest first, page by page."""
        query = f"limit={page_rows}"
        while query:
            body = self.json("GET", f"{path}?{query}")
            yield from body.get("results", [])
            # Of the next page's address only the query: a proxy may have changed the rest.
            query = urlsplit(body.get("next") or "").query

    def pauses(self) -> Iterator[float | None]:
        """Growing pauses until patience is at its end; then None."""
        deadline = time.monotonic() + self.patience_seconds
        pause_seconds = 0.25
        while time.monotonic() + pause_seconds < deadline:
            yield pause_seconds
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        yield None

    def body_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The JSON object in an answer.

        Raises:
            Faulty: there is none.
        """
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise not_ours(self._url)
        return body


def _may_pass(error: Ended) -> bool:
    """Whether the same request may be answered better in a moment."""
    return isinstance(error, Away) or error.code == "idempotency-key-in-use"


def part(text: str) -> str:
    """``text`` as one part of a path, whatever is in it."""
    return quote(text, safe=":@+")
