"""Texts to train with: what each kind of file may hold, its records, and what is wrong with it.

No message here repeats a word of the file: what is wrong is said by place.
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import IO, Any

from config.core.errors import DomainError, ErrorKind
from config.core.texts import unstorable

KINDS = ("txt", "json", "jsonl", "csv")
LARGE_BYTES = 100 << 20
# A JSON document is read whole; ten times its size in memory is what Python makes of it.
JSON_MOST_BYTES = 32 << 20
LINE_MOST_CHARS = 1 << 20
# A short file is one record; a long one is cut at ends of lines, so that nothing of it is lost.
TEXT_RECORD_CHARS = 4000
MOST_FINDINGS = 100
PIECE_BYTES = 1 << 16

TEXT_FIELDS = ("text", "content")
PROMPT_FIELDS = ("prompt", "instruction", "question")
MORE_FIELDS = ("input", "context")
COMPLETION_FIELDS = ("completion", "response", "output", "answer", "label")


class TrainingDataInvalid(DomainError):
    """A training file can't be read as its kind; ``errors`` lists places, never text."""

    code = "training-data-invalid"
    title = "The training data can't be used"
    kind = ErrorKind.UNPROCESSABLE


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


def records(kind: str, stream: IO[bytes]) -> Iterator[Record]:
    """The examples in ``stream``, read in flat memory (json: at most 32 MiB).

    Raises:
        TrainingDataInvalid: at the first place that can't be read, or where there is no example.
    """
    count = 0
    for found in _rows(kind, stream):
        if isinstance(found, Finding):
            raise TrainingDataInvalid(
                found.message, fix="Mend the place that is named.", errors=[found.as_json()]
            )
        count += 1
        yield found
    if not count:
        raise TrainingDataInvalid(_EMPTY.message, fix="Upload a file with text in it.")


def findings(kind: str, stream: IO[bytes], *, size_bytes: int) -> list[Finding]:
    """Everything worth saying about a file, at most ``MOST_FINDINGS`` and how many more."""
    found: list[Finding] = []
    if size_bytes > LARGE_BYTES:
        found.append(
            Finding(
                "too_large",
                Severity.WARNING,
                0,
                f"The file has {size_bytes} bytes, more than {LARGE_BYTES}: training will be slow.",
            )
        )
    count = more = 0
    for row in _rows(kind, stream):
        if isinstance(row, Record):
            count += 1
        elif len(found) < MOST_FINDINGS:
            found.append(row)
        else:
            more += 1
    if not count and not any(row.severity is Severity.ERROR for row in found):
        found.append(_EMPTY)
    if more:
        found.append(Finding("more", Severity.ERROR, 0, f"{more} more places are wrong."))
    return found


_EMPTY = Finding("empty", Severity.ERROR, 0, "The file holds no text.")
_Row = Record | Finding


def _rows(kind: str, stream: IO[bytes]) -> Iterator[_Row]:
    if kind not in _READERS:
        raise TrainingDataInvalid(
            f"Files of the kind {kind[:20]!r} can't be trained on.",
            fix=f"Use one of {', '.join(KINDS)}.",
        )
    yield from _READERS[kind](stream)


def _wrong(code: str, number: int, message: str) -> Finding:
    return Finding(code, Severity.ERROR, number, message)


class _NotText(Exception):
    """The bytes are no UTF-8 text; carries the finding out of the reader of lines."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Lines of UTF-8 text with their ends, numbered from 1; a byte order mark is left out.

    Raises:
        _NotText: at the first byte that is no text, or a line longer than anybody writes.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    number, rest, is_last = 1, "", False
    while not is_last:
        piece = stream.read(PIECE_BYTES)
        is_last = not piece
        try:
            rest += decoder.decode(piece, final=is_last)
        except UnicodeDecodeError as error:
            before = number + rest.count("\n") + error.object[: error.start].count(b"\n")
            raise _NotText(_wrong("encoding", before, f"Line {before} is no UTF-8 text.")) from None
        *whole, rest = rest.split("\n")
        for line in whole:
            if "\x00" in line:
                raise _NotText(_wrong("binary", number, f"Line {number} holds a NUL byte."))
            yield number, line + "\n"
            number += 1
        if len(rest) > LINE_MOST_CHARS:
            raise _NotText(
                _wrong(
                    "long_line",
                    number,
                    f"Line {number} has more than {LINE_MOST_CHARS} characters.",
                )
            )
    if "\x00" in rest:
        raise _NotText(_wrong("binary", number, f"Line {number} holds a NUL byte."))
    if rest:
        yield number, rest


def _read_txt(stream: IO[bytes]) -> Iterator[_Row]:
    part: list[str] = []
    begin, chars = 1, 0
    try:
        for number, line in _lines(stream):
            if part and chars + len(line) > TEXT_RECORD_CHARS:
                yield from _text_record(begin, part)
                part, chars, begin = [], 0, number
            part.append(line)
            chars += len(line)
    except _NotText as error:
        yield error.finding
        return
    yield from _text_record(begin, part)


def _text_record(number: int, part: Sequence[str]) -> Iterator[Record]:
    if text := "".join(part).strip():
        yield Record(number, "", text)


def _read_jsonl(stream: IO[bytes]) -> Iterator[_Row]:
    try:
        for number, line in _lines(stream):
            if line.strip():
                yield _parsed_line(number, line)
    except _NotText as error:
        yield error.finding


def _parsed_line(number: int, line: str) -> _Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return _wrong("malformed", number, f"Line {number} is no JSON.")
    return _record(number, value, f"Line {number}")


def _read_json(stream: IO[bytes]) -> Iterator[_Row]:
    data = stream.read(JSON_MOST_BYTES + 1)
    if len(data) > JSON_MOST_BYTES:
        yield _wrong(
            "too_large",
            0,
            f"A JSON document of more than {JSON_MOST_BYTES} bytes is not read: send JSON Lines.",
        )
        return
    if not data.strip():
        return
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        yield _wrong("encoding", line, f"Line {line} is no UTF-8 text.")
        return
    except json.JSONDecodeError as error:
        yield _wrong(
            "malformed", error.lineno, f"Line {error.lineno}, column {error.colno}: no JSON."
        )
        return
    except (ValueError, RecursionError):
        yield _wrong("malformed", 0, "The document is nested too deeply.")
        return
    for number, item in enumerate(_items(value), 1):
        yield _record(number, item, f"Item {number}")


def _items(value: Any) -> Sequence[Any]:
    """The list itself, the one list inside an object, or the object as the only item."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list)]
        if len(lists) == 1 and not _fields_of(value):
            return lists[0]
    return [value]


def _read_csv(stream: IO[bytes]) -> Iterator[_Row]:
    try:
        lines = _lines(stream)
        head = [line for _, line in islice(lines, 1)]
        names, delimiter = _header(head[0] if head else "")
        if not names:
            if head:
                yield _wrong("no_fields", 1, f"Line 1 names no column of {_known_fields()}.")
            return
        yield from _csv_rows(names, (line for _, line in lines), delimiter)
    except _NotText as error:
        yield error.finding


def _csv_rows(names: Sequence[str], lines: Iterator[str], delimiter: str) -> Iterator[_Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 2  # the line at which the row begins; the header was line 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _wrong("malformed", number, f"Line {number} is no CSV, nor what follows it.")
            return
        if not row:
            continue
        if len(row) != len(names):
            yield _wrong(
                "malformed",
                number,
                f"Line {number} has {len(row)} columns; the header has {len(names)}.",
            )
            continue
        yield _record(number, dict(zip(names, row, strict=True)), f"Line {number}")


def _header(line: str) -> tuple[list[str], str]:
    """Names of the columns and what parts them; no names where none of them is known."""
    for delimiter in ",;\t":
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip().lower() for name in names]
        if _fields_of(dict.fromkeys(names, "")) and len(set(names)) == len(names):
            return names, delimiter
    return [], ","


def _known_fields() -> str:
    return f"{', '.join(TEXT_FIELDS)}, or {PROMPT_FIELDS[0]} and {COMPLETION_FIELDS[0]}"


def _fields_of(value: Mapping[str, Any]) -> tuple[tuple[str, ...], str] | None:
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


def _record(number: int, value: Any, place: str) -> _Row:
    if isinstance(value, str):
        prompt, completion = "", value
    elif isinstance(value, Mapping):
        names = _fields_of(value)
        if names is None:
            return _wrong("no_fields", number, f"{place} has no field of {_known_fields()}.")
        parts = [value[name] for name in names[0]]
        completion = value[names[1]]
        if not all(isinstance(part, str) for part in [*parts, completion]):
            return _wrong("not_text", number, f"{place} has a field that is no text.")
        prompt = "\n\n".join(part.strip() for part in parts if part.strip())
    else:
        return _wrong("malformed", number, f"{place} is neither a text nor an object.")
    if not completion.strip():
        return _wrong("empty_record", number, f"{place} has no text to learn.")
    if why := unstorable([prompt, completion]):
        return _wrong("not_text", number, f"{place} {why}.")
    return Record(number, prompt, completion.strip())


_READERS: Mapping[str, Callable[[IO[bytes]], Iterator[_Row]]] = {
    "txt": _read_txt,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
}
