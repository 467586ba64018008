"""One example to train with, what can be wrong with a file of them, and which fields make one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from config.core.texts import unstorable

TEXT_FIELDS = ("text", "content")
PROMPT_FIELDS = ("prompt", "instruction", "question")
MORE_FIELDS = ("input", "context")
COMPLETION_FIELDS = ("completion", "response", "output", "answer", "label")


@dataclass(frozen=True, slots=True)
class Record:
    """One example: ``completion`` is learned, ``prompt`` (may be empty) only read.

    ``number`` counts lines of txt, jsonl and csv from 1, items of json from 1.
    """

    number: int
    prompt: str
    completion: str


class Severity(StrEnum):
    """Whether the file may be trained on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and where; ``number`` is the line or item, 0 for the whole file."""

    code: str
    severity: Severity
    number: int
    message: str

    def as_json(self) -> dict[str, Any]:
        """For answers and rows."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "number": self.number,
            "message": self.message,
        }


Row = Record | Finding


def wrong(code: str, number: int, message: str) -> Finding:
    """A finding that keeps the file from being trained on."""
    return Finding(code, Severity.ERROR, number, message)


def known_fields() -> str:
    """The fields that make an example, in words."""
    return f"{', '.join(TEXT_FIELDS)}, or {PROMPT_FIELDS[0]} and {COMPLETION_FIELDS[0]}"


def fields_of(value: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
    """The fields that make the prompt, in order, and the one that is the completion."""
    completion = next((name for name in COMPLETION_FIELDS if name in value), None)
    prompt = tuple(
        name
        for names in (PROMPT_FIELDS, MORE_FIELDS)
        for name in [next((name for name in names if name in value), "")]
        if name
    )
    text = next((name for name in TEXT_FIELDS if name in value), None)
    if completion is not None and prompt:
        return prompt, completion
    if completion is not None and text is not None:
        return (text,), completion
    return ((), text) if text is not None else None


def record_of(number: int, value: Any, place: str) -> Row:
    """The example in a text or an object; ``place`` is said where it is none."""
    if isinstance(value, str):
        prompt, completion = "", value
    elif isinstance(value, Mapping):
        names = fields_of(value)
        if names is None:
            return wrong("no_fields", number, f"{place} has no field of {known_fields()}.")
        parts = [value[name] for name in names[0]]
        completion = value[names[1]]
        if not all(isinstance(part, str) for part in [*parts, completion]):
            return wrong("not_text", number, f"{place} has a field that is no text.")
        prompt = "\n\n".join(part.strip() for part in parts if part.strip())
    else:
        return wrong("malformed", number, f"{place} is neither a text nor an object.")
    if not completion.strip():
        return wrong("empty_record", number, f"{place} has no text to learn.")
    if why := unstorable([prompt, completion]):
        return wrong("not_text", number, f"{place} {why}.")
    return Record(number, prompt, completion.strip())
