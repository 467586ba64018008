"""Sends an answer, whole or as it comes; its row is committed before the last byte."""

from collections.abc import Sequence

from starlette.types import Send

from serving.domain.contract import judge
from serving.domain.openai_answers import ChunkWriter, whole_body, withdrawn_event
from serving.domain.openai_api import AskedAnswer
from serving.gateway.attempts import AttemptFailed, WholeAnswer
from serving.gateway.node_client import NodeEvent
from serving.gateway.rows import RowWriter
from serving.gateway.sides import Side
from serving.states import FailureKind

Headers = list[tuple[bytes, bytes]]
_STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_WHOLE_HEADERS: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Delivery:
    """One client's connection, for one answer."""

    def __init__(
        self, *, send: Send, asked: AskedAnswer, rows: RowWriter, more_headers: Headers
    ) -> None:
        self._send = send
        self._asked = asked
        self._rows = rows
        self._more_headers = more_headers

    async def send_whole(self, side: Side, answer: WholeAnswer, failure: FailureKind) -> None:
        """Send a finished answer, in the form that was asked for."""
        head, usage = side.head(is_chat=self._asked.is_chat), side.attempt.usage
        if self._asked.stream:
            writer = ChunkWriter(head, include_usage=self._asked.include_usage)
            body = writer.text(answer.text) if answer.text else b""
            body += writer.end(finish=answer.finish, usage=usage)
        else:
            body = whole_body(head, text=answer.text, finish=answer.finish, usage=usage)
        await self._rows.commit(side.row(failure))
        await self._start(side, content_length=None if self._asked.stream else len(body))
        await self._body(body, more=False)

    async def send_stream(self, side: Side) -> None:
        """Pass an open attempt's chunks on as they come.

        A stream that breaks off ends with an error event that withdraws it, and no ``[DONE]``.
        """
        contract = side.route.contract
        writer = ChunkWriter(
            side.head(is_chat=self._asked.is_chat), include_usage=self._asked.include_usage
        )
        seen: list[str] = []  # in memory until the end, and only where a contract needs it
        is_blank = True
        await self._start(side, content_length=None)
        try:
            while True:
                events = await side.attempt.read()
                if is_blank:
                    is_blank = not any(event.text.strip() for event in events)
                if contract is not None:
                    seen += [event.text for event in events]
                chunks = _chunks(writer, events)
                finish = events[-1].finish
                if finish is not None:
                    break
                if chunks:
                    await self._body(chunks, more=True)
        except AttemptFailed as failed:
            await self._rows.commit(side.row(failed.failure))
            code = "stopped" if failed.failure is FailureKind.STOPPED else "withdrawn"
            await self._body(withdrawn_event(code), more=False)
            return
        failure = judge(
            contract,
            text="".join(seen) if contract is not None else " " if is_blank else "text",
            finish=finish,
            completion_tokens=side.attempt.usage.completion_tokens,
        )
        if chunks:
            await self._body(chunks, more=True)
        await self._rows.commit(side.row(failure))
        await self._body(writer.end(finish=finish, usage=side.attempt.usage), more=False)

    async def _start(self, side: Side, *, content_length: int | None) -> None:
        headers = [*side.headers(), *self._more_headers]
        headers += _STREAM_HEADERS if self._asked.stream else _WHOLE_HEADERS
        if content_length is not None:
            headers.append((b"content-length", str(content_length).encode()))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _chunks(writer: ChunkWriter, events: Sequence[NodeEvent]) -> bytes:
    return b"".join(writer.text(event.text) for event in events if event.text)
