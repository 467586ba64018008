"""What ``answers.json`` makes an adapter of the memory engine say, and how it fails."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from config.core.digests import sha256_hex
from serving.engines.base import GenerateRequest

ANSWERS_FILE = "answers.json"


@dataclass(frozen=True, slots=True)
class Script:
    """What ``answers.json`` in a package folder makes its adapter say; all keys are optional.

    ``answers``: ``prompt_key(request)`` → answer. ``rules``: list of ``{"contains": text}`` and/or
    ``{"min_chars": n}`` with ``"answer"``; the first that holds for the last message counts.
    ``default``: the answer to everything else (without it: words from a hash of bytes and prompt).
    ``fail``: ``"load"`` (refused at load), ``"start"`` (error before the first token), ``"cut"``
    (error after the first token) or ``"empty"``. ``token_latency_ms``: wait before each token.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Mapping[str, Any]] = ()
    default: str | None = None
    fail: str | None = None
    token_latency_ms: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The script in ``folder``; an empty one when there is no ``answers.json``."""
        file = folder / ANSWERS_FILE
        return cls(**json.loads(file.read_text())) if file.is_file() else cls()

    def answer(self, text: str) -> str | None:
        """The scripted answer to ``text``, None when the script has none."""
        if sha256_hex(text.encode()) in self.answers:
            return self.answers[sha256_hex(text.encode())]
        for rule in self.rules:
            if rule.get("contains", "") in text and len(text) >= rule.get("min_chars", 0):
                return str(rule["answer"])
        return self.default


def last_text(request: GenerateRequest) -> str:
    """The text that a script looks at: the last message, or the prompt."""
    if request.messages:
        return request.messages[-1]["content"]
    if request.prompt is not None:
        return request.prompt
    return " ".join(str(token) for token in request.prompt_token_ids or ())


def prompt_key(request: GenerateRequest) -> str:
    """The key of ``answers`` in a script: SHA-256 hex of the last message's text, or the prompt."""
    return sha256_hex(last_text(request).encode())
