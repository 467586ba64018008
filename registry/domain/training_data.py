"""Texts to train with: what each kind of file may hold, its records, and what is wrong with it.

No message here repeats a word of the file: what is wrong is said by place.
"""

from collections.abc import Iterator
from typing import IO

from config.core.errors import DomainError, ErrorKind
from registry.domain.training_readers import READERS
from registry.domain.training_records import Finding, Record, Row, Severity

__all__ = ["KINDS", "Finding", "Record", "Severity", "TrainingDataInvalid", "findings", "records"]

KINDS = ("txt", "json", "jsonl", "csv")
LARGE_BYTES = 100 << 20
MOST_FINDINGS = 100


class TrainingDataInvalid(DomainError):
    """A training file can't be read as its kind; ``errors`` lists places, never text."""

    code = "training-data-invalid"
    title = "The training data can't be used"
    kind = ErrorKind.UNPROCESSABLE


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


def _rows(kind: str, stream: IO[bytes]) -> Iterator[Row]:
    if kind not in READERS:
        raise TrainingDataInvalid(
            f"Files of the kind {kind[:20]!r} can't be trained on.",
            fix=f"Use one of {', '.join(KINDS)}.",
        )
    yield from READERS[kind](stream)
