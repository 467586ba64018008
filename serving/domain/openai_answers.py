"""OpenAI-shaped answers: bodies, stream chunks and errors."""

import json
from dataclasses import dataclass
from typing import Any

WITHDRAWN = "This answer was withdrawn: do not use what came of it."
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """What every part of one answer repeats. ``fingerprint`` is ``slug@hex/answer_id``."""

    answer_id: str
    public_name: str
    fingerprint: str
    created_at_seconds: int
    is_chat: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def as_json(self) -> dict[str, int]:
        """OpenAI's usage object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def _head(head: AnswerHead, kind: str) -> dict[str, Any]:
    return {
        "id": head.answer_id,
        "object": kind,
        "created": head.created_at_seconds,
        "model": head.public_name,
        "system_fingerprint": head.fingerprint,
    }


def whole_body(head: AnswerHead, *, text: str, finish: str, usage: Usage) -> bytes:
    """The body of an answer that is not streamed."""
    if head.is_chat:
        content: dict[str, Any] = {
            "message": {"role": "assistant", "content": text, "refusal": None}
        }
    else:
        content = {"text": text}
    body = {
        **_head(head, "chat.completion" if head.is_chat else "text_completion"),
        "choices": [{"index": 0, **content, "logprobs": None, "finish_reason": finish}],
        "usage": usage.as_json(),
    }
    return json.dumps(body).encode()


class ChunkWriter:
    """Makes the chunks of one stream: all but the text is serialised once."""

    def __init__(self, head: AnswerHead, *, include_usage: bool) -> None:
        self._head = head
        self._include_usage = include_usage
        self._before, self._after = self._frame()
        self._is_first = True

    def _frame(self) -> tuple[bytes, bytes]:
        mark = "@text@"
        content: dict[str, Any] = {"delta": {"content": mark}}
        chunk = self._chunk(content if self._head.is_chat else {"text": mark}, finish=None)
        before, _, after = chunk.rpartition(json.dumps(mark).encode())
        return before, after

    def _chunk(self, content: dict[str, Any], *, finish: str | None) -> bytes:
        kind = "chat.completion.chunk" if self._head.is_chat else "text_completion"
        body = {
            **_head(self._head, kind),
            "choices": [{"index": 0, **content, "logprobs": None, "finish_reason": finish}],
        }
        if self._include_usage:
            body["usage"] = None
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

    def text(self, text: str) -> bytes:
        """The chunk that carries ``text``; the first one of a chat names the role."""
        if self._is_first:
            self._is_first = False
            if self._head.is_chat:
                return self._chunk({"delta": {"role": "assistant", "content": text}}, finish=None)
        return self._before + json.dumps(text).encode() + self._after

    def end(self, *, finish: str, usage: Usage) -> bytes:
        """The last chunks: why it ended, the usage where it was asked for, and ``[DONE]``."""
        delta: dict[str, Any] = {}
        if self._is_first and self._head.is_chat:
            delta = {"role": "assistant", "content": ""}
        content = {"delta": delta} if self._head.is_chat else {"text": ""}
        chunks = [self._chunk(content, finish=finish)]
        if self._include_usage:
            kind = "chat.completion.chunk" if self._head.is_chat else "text_completion"
            body = {**_head(self._head, kind), "choices": [], "usage": usage.as_json()}
            chunks.append(b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n")
        return b"".join((*chunks, DONE))


def error_body(
    *, message: str, kind: str, code: str | None, param: str | None = None
) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def withdrawn_event(code: str) -> bytes:
    """The event that ends a stream which must not be used; no ``[DONE]`` follows it."""
    body = error_body(message=WITHDRAWN, kind="server_error", code=code)
    return b"data: " + json.dumps(body).encode() + b"\n\n"
