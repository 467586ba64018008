"""Text to tokens and back: the base's tokenizer and chat template, streams, stop strings."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from registry.domain.base_folder import (
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
)
from serving.engines.base import Message
from serving.engines.errors import RequestInvalid

UNFINISHED = "\ufffd"
"""How a decoder shows the first bytes of a character whose other bytes are in the next token."""


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now(UTC).strftime(form)


class TextCodec:
    """The tokenizer and chat template in a base folder."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
        file = folder / CHAT_TEMPLATE
        source = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
        self._template = _compile(source) if isinstance(source, str) else None
        self._specials = {key: _content(config.get(key)) for key in SPECIAL_TOKENS}
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._markers = tuple(token.content for token in added if token.special)

    def encode(self, text: str) -> list[int]:
        """Token ids of a plain prompt, with the special tokens that the tokenizer itself adds.

        Raises:
            RequestInvalid: the text holds a control marker.
        """
        self._refuse_markers(text)
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a chat through the base's template, ready for the assistant's answer.

        Raises:
            RequestInvalid: the base has no template, or it refuses these messages, or one of them
                holds a control marker.
        """
        for message in messages:
            self._refuse_markers(message["content"])
        if self._template is None:
            raise RequestInvalid(
                "this base has no chat template", fix="Send a prompt instead of messages."
            )
        try:
            text = self._template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=True,
                **self._specials,
            )
        except jinja2.TemplateError as error:
            raise RequestInvalid(
                "the base's chat template refuses these messages",
                fix="Send alternating user and assistant messages, a system message only first.",
            ) from error
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _refuse_markers(self, text: str) -> None:
        """A text that spells a control token would become one: it could forge a system turn."""
        if any(marker in text for marker in self._markers):
            raise RequestInvalid(
                "the text spells a control marker of this base model, such as the end of a turn",
                fix="Take the marker out of the text, or put a space into it.",
            )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids`` without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def _compile(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _now
    return environment.from_string(source)


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


class TextStream:
    """Turns tokens into text that may be shown, one token at a time.

    Text is held back while it may be part of a character that later tokens complete, or of a stop
    string. What was shown and the rest from ``flush`` are together the decoded answer, cut before
    the first stop string.
    """

    def __init__(self, codec: TextCodec, stops: Sequence[str] = ()) -> None:
        self._codec = codec
        self._stops = tuple(stops)
        self._ids: list[int] = []
        self._window = 0
        self._shown = 0
        self._held = ""
        self.is_stopped = False

    def push(self, token_id: int) -> str:
        """The text that may be shown after ``token_id``; sets ``is_stopped`` at a stop string."""
        self._ids.append(token_id)
        known = self._codec.decode(self._ids[self._window : self._shown])
        text = self._codec.decode(self._ids[self._window :])
        if len(text) <= len(known) or text.endswith(UNFINISHED):
            return ""
        # Decoding starts a few tokens back: some decoders treat the first token differently.
        self._window, self._shown = self._shown, len(self._ids)
        return self._release(text[len(known) :])

    def flush(self) -> str:
        """What was held back, when no more tokens come."""
        if self.is_stopped:
            return ""
        known = self._codec.decode(self._ids[self._window : self._shown])
        text = self._codec.decode(self._ids[self._window :])
        self._shown = len(self._ids)
        released = self._release(text[len(known) :])
        held, self._held = self._held, ""
        return released if self.is_stopped else released + held

    def _release(self, added: str) -> str:
        self._held += added
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that is a beginning of ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
