"""Readers of training data and what they find; the advice by size. No database."""

import io
import json

import pytest

from registry.domain.avatars import AvatarKeys, namespace_of, recommend
from registry.domain.training_data import (
    LARGE_BYTES,
    MOST_FINDINGS,
    Record,
    TrainingDataInvalid,
    findings,
    records,
)

MB = 1 << 20


def _read(kind: str, data: bytes) -> list[Record]:
    return list(records(kind, io.BytesIO(data)))


def _found(kind: str, data: bytes, size_bytes: int | None = None) -> list[tuple[str, int]]:
    size = len(data) if size_bytes is None else size_bytes
    found = findings(kind, io.BytesIO(data), size_bytes=size)
    return [(row.code, row.number) for row in found]


@pytest.mark.parametrize(
    ("kind", "data", "wanted"),
    [
        ("txt", b"\xef\xbb\xbfone\ntwo\n", [Record(1, "", "one\ntwo")]),
        ("jsonl", b'{"prompt":"p","completion":"c"}\n\n"x"\n',
         [Record(1, "p", "c"), Record(3, "", "x")]),
        ("json", b'[{"instruction":"i","input":"n","output":"o"}]', [Record(1, "i\n\nn", "o")]),
        ("json", b'{"data": ["a", {"text": "b"}]}', [Record(1, "", "a"), Record(2, "", "b")]),
        ("json", b'{"text": "alone"}', [Record(1, "", "alone")]),
        ("csv", b"prompt,completion\na,b\n", [Record(2, "a", "b")]),
        ("csv", b'text;label\n"two\nlines";x\ny;z\n',
         [Record(2, "two\nlines", "x"), Record(4, "y", "z")]),
    ],
)  # fmt: skip
def test_every_kind_is_read(kind: str, data: bytes, wanted: list[Record]) -> None:
    assert _read(kind, data) == wanted
    assert _found(kind, data) == []


def test_a_long_text_is_cut_at_ends_of_lines_and_loses_nothing() -> None:
    text = "".join(f"line {number} of the note\n" for number in range(2000))
    found = _read("txt", text.encode())
    assert len(found) > 1
    assert "\n".join(record.completion for record in found) == text.strip()
    assert all(len(record.completion) <= 4000 for record in found)


@pytest.mark.parametrize(
    ("kind", "data", "wanted"),
    [
        ("txt", b"", [("empty", 0)]),
        ("txt", b" \n\n", [("empty", 0)]),
        ("txt", b"a\nb\xff\n", [("encoding", 2)]),
        ("txt", b"a\n\x00", [("binary", 2)]),
        ("txt", b"x" * (MB + 1), [("long_line", 1)]),
        ("jsonl", b'{"text":"a"}\n{bad\n[]\n{"x":1}\n{"text":""}\n{"text":3}\n',
         [("malformed", 2), ("malformed", 3), ("no_fields", 4), ("empty_record", 5),
          ("not_text", 6)]),
        ("jsonl", b'"\\ud800"\n', [("not_text", 1)]),
        ("jsonl", b"[" * 100_000, [("malformed", 1)]),
        ("jsonl", b'{"text":"a","text":"b"}\n{"text":NaN}\n', [("malformed", 1), ("malformed", 2)]),
        ("json", b'[{"text":"a","text":"b"}]', [("malformed", 0)]),
        ("json", b'["a",\n"b', [("malformed", 2)]),
        ("json", b"[]", [("empty", 0)]),
        ("json", b"[" * 100_000, [("malformed", 0)]),
        ("json", b'["a",\n"\xff"]', [("encoding", 2)]),
        ("csv", b"a,b\n1,2\n", [("no_fields", 1)]),
        ("csv", b'text\n"open\n', [("malformed", 2)]),
        ("csv", b"text,label\na,b\nc\nd,e\n", [("malformed", 3)]),
        ("csv", b"", [("empty", 0)]),
    ],
)  # fmt: skip
def test_data_is_validated_by_place_A36(
    kind: str, data: bytes, wanted: list[tuple[str, int]]
) -> None:
    assert _found(kind, data) == wanted
    with pytest.raises(TrainingDataInvalid) as refused:
        _read(kind, data)
    if wanted[0][0] != "empty":
        assert refused.value.errors[0]["code"] == wanted[0][0]


def test_a_large_file_is_a_warning_and_a_kind_that_is_none_is_refused() -> None:
    found = findings("txt", io.BytesIO(b"text"), size_bytes=LARGE_BYTES + 1)
    assert [(row.code, str(row.severity)) for row in found] == [("too_large", "warning")]
    with pytest.raises(TrainingDataInvalid):
        _read("pdf", b"text")


def test_no_finding_repeats_the_text_and_there_is_an_end_of_findings() -> None:
    lines = b"".join(b"Jane Roe %d\n" % number for number in range(300))
    found = findings("jsonl", io.BytesIO(lines), size_bytes=len(lines))
    assert len(found) == MOST_FINDINGS + 1
    assert found[-1].message.startswith("200 more")
    assert "Jane" not in json.dumps([row.as_json() for row in found])


@pytest.mark.parametrize(
    ("size_bytes", "wanted"),
    [
        (0, (5, 1e-4, 2, 8)),
        (MB - 1, (5, 1e-4, 2, 8)),
        (MB, (4, 2e-4, 4, 4)),
        (10 * MB, (3, 3e-4, 8, 2)),
        (50 * MB, (2, 5e-4, 16, 1)),
    ],
)
def test_parameters_are_recommended_by_the_size_of_data_A37(
    size_bytes: int, wanted: tuple[int, float, int, int]
) -> None:
    found = recommend(size_bytes)
    assert (
        found.num_epochs,
        found.learning_rate,
        found.batch_size,
        found.gradient_accumulation_steps,
    ) == wanted


def test_keys_never_lead_elsewhere_and_fit_on_a_disk() -> None:
    for user in ("anna", "..", ".", "a+b@c", "\u533b" * 150):
        keys = AvatarKeys(user, "nina")
        for key in (keys.flags, keys.backup, keys.training_file("\u533b" * 190 + ".txt")):
            parts = key.split("/")
            assert parts[0] == "users" and parts[2] == "avatars"
            assert not {".", "..", ""} & set(parts)
            assert all(len(part.encode()) <= 200 for part in parts)
    assert AvatarKeys("a" * 150, "n").flags != AvatarKeys("b" * 150, "n").flags
    assert len({namespace_of(name) for name in ("anna", "Anna", "an-na", "an.na", "an_na")}) == 5
