"""How each kind of training file is read: in flat memory, line by line, json alone as a whole."""

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from config.core import strict_json
from registry.domain.training_records import (
    Finding,
    Record,
    Row,
    fields_of,
    known_fields,
    record_of,
    wrong,
)

# A JSON document is read whole; ten times its size in memory is what Python makes of it.
JSON_MOST_BYTES = 32 << 20
LINE_MOST_CHARS = 1 << 20
# A short file is one record; a long one is cut at ends of lines, so that nothing of it is lost.
TEXT_RECORD_CHARS = 4000
PIECE_BYTES = 1 << 16


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
            raise _NotText(wrong("encoding", before, f"Line {before} is no UTF-8 text.")) from None
        *whole, rest = rest.split("\n")
        for line in whole:
            if "\x00" in line:
                raise _NotText(wrong("binary", number, f"Line {number} holds a NUL byte."))
            yield number, line + "\n"
            number += 1
        if len(rest) > LINE_MOST_CHARS:
            raise _NotText(
                wrong(
                    "long_line",
                    number,
                    f"Line {number} has more than {LINE_MOST_CHARS} characters.",
                )
            )
    if "\x00" in rest:
        raise _NotText(wrong("binary", number, f"Line {number} holds a NUL byte."))
    if rest:
        yield number, rest


def _read_txt(stream: IO[bytes]) -> Iterator[Row]:
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


def _read_jsonl(stream: IO[bytes]) -> Iterator[Row]:
    try:
        for number, line in _lines(stream):
            if line.strip():
                yield _parsed_line(number, line)
    except _NotText as error:
        yield error.finding


def _parsed_line(number: int, line: str) -> Row:
    try:
        value = strict_json.loads(line)
    except strict_json.NameTwice:
        return wrong("malformed", number, f"Line {number} has a member twice.")
    except ValueError:
        return wrong("malformed", number, f"Line {number} is no JSON.")
    return record_of(number, value, f"Line {number}")


def _read_json(stream: IO[bytes]) -> Iterator[Row]:
    data = stream.read(JSON_MOST_BYTES + 1)
    if len(data) > JSON_MOST_BYTES:
        yield wrong(
            "too_large",
            0,
            f"A JSON document of more than {JSON_MOST_BYTES} bytes is not read: send JSON Lines.",
        )
        return
    if not data.strip():
        return
    try:
        value = strict_json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        yield wrong("encoding", line, f"Line {line} is no UTF-8 text.")
        return
    except json.JSONDecodeError as error:
        yield wrong(
            "malformed", error.lineno, f"Line {error.lineno}, column {error.colno}: no JSON."
        )
        return
    except strict_json.NameTwice:
        # Not by its name: names may be what somebody wrote.
        yield wrong("malformed", 0, "An object in the document has a member twice.")
        return
    except ValueError as error:
        yield wrong("malformed", 0, f"The document is no JSON: {error}.")
        return
    for number, item in enumerate(_items(value), 1):
        yield record_of(number, item, f"Item {number}")


def _items(value: Any) -> Sequence[Any]:
    """The list itself, the one list inside an object, or the object as the only item."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        lists = [part for part in value.values() if isinstance(part, list)]
        if len(lists) == 1 and not fields_of(value):
            return lists[0]
    return [value]


def _read_csv(stream: IO[bytes]) -> Iterator[Row]:
    try:
        lines = _lines(stream)
        head = [line for _, line in islice(lines, 1)]
        names, delimiter = _header(head[0] if head else "")
        if not names:
            if head:
                yield wrong("no_fields", 1, f"Line 1 names no column of {known_fields()}.")
            return
        yield from _csv_rows(names, (line for _, line in lines), delimiter)
    except _NotText as error:
        yield error.finding


def _csv_rows(names: Sequence[str], lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 2  # the line at which the row begins; the header was line 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield wrong("malformed", number, f"Line {number} is no CSV, nor what follows it.")
            return
        if not row:
            continue
        if len(row) != len(names):
            yield wrong(
                "malformed",
                number,
                f"Line {number} has {len(row)} columns; the header has {len(names)}.",
            )
            continue
        yield record_of(number, dict(zip(names, row, strict=True)), f"Line {number}")


def _header(line: str) -> tuple[list[str], str]:
    """Names of the columns and what parts them; no names where none of them is known."""
    for delimiter in ",;\t":
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [name.strip().lower() for name in names]
        if fields_of(dict.fromkeys(names, "")) and len(set(names)) == len(names):
            return names, delimiter
    return [], ","


READERS: Mapping[str, Callable[[IO[bytes]], Iterator[Row]]] = {
    "txt": _read_txt,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
}
