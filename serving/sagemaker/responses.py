"""An answer as the toolkit sees it, whatever an engine or a framework made it of."""

import json
from collections.abc import Mapping
from typing import Any

from config.core import strict_json
from serving.sagemaker.requests import Headers

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
# These describe one connection or one encoding, not the answer that is sent on.
_HOP_BY_HOP = frozenset(
    {"connection", "content-encoding", "content-length", "date", "keep-alive", "transfer-encoding"}
)


class Response:
    """Status, headers and body; a mapping or list as ``content`` becomes JSON.

    ``native`` is the framework's own answer that this one was read from. A bridge sends it out
    instead, so that what nobody changed stays byte for byte what the engine said. ``is_read`` is
    False where its body is not ours to read: a stream, or a page that is not rendered yet.
    """

    def __init__(
        self,
        content: Any = b"",
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        *,
        native: Any = None,
        is_read: bool = True,
    ) -> None:
        self.status_code = status_code
        self.is_read = is_read
        self.headers = Headers(headers or {})
        self.native = native
        if isinstance(content, bytes | bytearray | memoryview):
            self.body, kind = bytes(content), None
        elif isinstance(content, str):
            self.body, kind = content.encode(), TEXT
        else:
            self.body, kind = json.dumps(content, allow_nan=False).encode(), JSON
        if media_type or (kind and "Content-Type" not in self.headers):
            self.headers["Content-Type"] = media_type or str(kind)

    @property
    def end_to_end_headers(self) -> dict[str, str]:
        """The headers that a bridge sends on."""
        return {name: value for name, value in self.headers.items() if name not in _HOP_BY_HOP}

    @property
    def text(self) -> str:
        """The body as text; bytes that are none are shown as such."""
        return self.body.decode(errors="replace")

    @property
    def data(self) -> Any:
        """The body as a value: of its JSON, else its text; ``{}`` where it is empty."""
        if not self.body:
            return {}
        try:
            return strict_json.parse(self.body)
        except ValueError:
            return self.text


def as_response(result: Any) -> Response:
    """What a handler returned, as an answer; values without a status are a 200."""
    if isinstance(result, Response):
        return result
    if not hasattr(result, "status_code"):
        return Response(b"" if result is None else result)
    headers = dict(getattr(result, "headers", {}).items())
    if getattr(result, "is_rendered", True) is False:
        # REST framework and templates are rendered by the framework; only data can be had before.
        if not hasattr(result, "data"):
            return Response(b"", result.status_code, headers, native=result, is_read=False)
        text = json.dumps(result.data, default=str)
        return Response(text, result.status_code, headers, JSON)
    body = getattr(result, "content", None)
    if body is None:
        body = getattr(result, "body", None)
    is_read = isinstance(body, bytes | memoryview)
    whole = bytes(body) if isinstance(body, bytes | memoryview) else b""
    return Response(whole, result.status_code, headers, native=result, is_read=is_read)
