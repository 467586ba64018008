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

# A server that restarts is back within seconds; one that moves takes a minute.
PATIENCE_SECONDS = 60.0
ANSWER_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0
PAGE_ROWS = 200
AWAY_STATUSES = frozenset({502, 503, 504})


class Api:
    """One server under ``/api/v1/``, asked with one token."""

    def __init__(self, access: Access, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
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
            Refused: an answer of the kind 4xx, or a fault of the server.
            Away: no answer, or one of a server that is not up.
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
            raise Away(
                f"{self._url} does not answer ({type(error).__name__}).",
                fix="Is FORMULARY_URL right and the server up? It is safe to run this again.",
                code="away",
            ) from error
        for listener in self.answered:
            listener(answer)
        if answer.status_code in AWAY_STATUSES:
            raise Away(f"{self._url} answers {answer.status_code}: it is not up.", code="away")
        if answer.is_error:
            raise _refusal(answer)
        return answer

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request that may be repeated: a server that is away is waited for.

        Raises:
            Refused, Away: as ``once``, after patience.
        """
        for pause_seconds in self.pauses():
            try:
                return self.once(method, path, **options)
            except Ended as error:
                if pause_seconds is None or not _may_pass(error):
                    raise
                time.sleep(pause_seconds)
        raise AssertionError("the last pause is None")

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The body of ``call``.

        Raises:
            Away: something answers that is no Formulary.
        """
        return self._body(self.call(method, path, **options))

    def act(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST something that must not happen twice; a key makes repeating it safe."""
        headers = {"Idempotency-Key": str(uuid4())}
        return self._body(self.call("POST", path, json=dict(body), headers=headers))

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

    def _body(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Away(
                f"{self._url} answers with something that is not Formulary's.",
                fix="Is FORMULARY_URL right? It is the address without /console or /api.",
            )
        return body


def _may_pass(error: Ended) -> bool:
    """Whether the same request may be answered better in a moment."""
    return isinstance(error, Away) or error.code == "idempotency-key-in-use"


def part(text: str) -> str:
    """``text`` as one part of a path, whatever is in it."""
    return quote(text, safe=":@+")


def _refusal(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    errors = [row for row in problem.get("errors") or [] if isinstance(row, dict)]
    return Refused(
        str(problem.get("detail") or f"The server answers {answer.status_code}."),
        fix=str(problem.get("fix") or ""),
        code=str(problem.get("code") or f"http-{answer.status_code}"),
        status=answer.status_code,
        errors=errors,
    )
