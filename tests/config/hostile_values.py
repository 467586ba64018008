"""Values that no honest client sends, and bodies that hold one of them in one field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

DEEP = 30_000
_BOUNDARY = "hostile"

# As they stand in a JSON body; ``json.dumps`` could not write the deep ones.
JSON_VALUES: Mapping[str, str] = {
    "nul": '"a\\u0000b"',
    "surrogate": '"\\ud800x"',
    "deep list": "[" * 900 + "]" * 900,
    "endless list": "[" * DEEP + "]" * DEEP,
    "deep object": '{"a":' * 300 + "1" + "}" * 300,
    "huge number": str(10**40),
    "below every key": str(-(2**70)),
    "endless float": "1e400",
    "not a number": "NaN",
    "long text": '"' + "x" * 70_000 + '"',
    "null": "null",
    "list of null": "[null]",
    "object": '{"a": {"b": [1, null, "\\u0001"]}}',
    "name with nul": '{"a\\u0000": 1}',
    "control letters": '"\\u0001\\u202e\\ufeff"',
}
FORM_VALUES: Mapping[str, str] = {
    "nul": "a\x00b",
    "nul in json": '["a\\u0000b"]',
    "surrogate in json": '["\\ud800x"]',
    "deep json": "[" * 900 + "]" * 900,
    "endless json": "[" * DEEP + "]" * DEEP,
    "huge number": str(10**40),
    "null": "null",
    "long text": "x" * 70_000,
}
# What a lone surrogate is in a form: an encoding that can write it.
UTF_7_SURROGATE = "+2AA-"


def hostile_bodies(kind: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes, str]]:
    """What is hostile, the body and its content type."""
    if kind == "multipart/form-data":
        yield from form_bodies(fields)
    elif kind == "application/json":
        for name, text in json_bodies(fields):
            yield name, text.encode(), kind
        for charset in ("zlib_codec", "hex", "utf-7", "no-such-charset"):
            yield charset, b"{}", f"{kind}; charset={charset}"


def json_bodies(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """For each field and each hostile value: its name, and the body around it."""
    for field in fields:
        rest = {name: value for name, value in fields.items() if name != field}
        inside = json.dumps(rest)[1:-1]
        for name, value in JSON_VALUES.items():
            comma = ", " if inside else ""
            yield f"{field}: {name}", f"{{{inside}{comma}{json.dumps(field)}: {value}}}"


def form_bodies(fields: Mapping[str, Any]) -> Iterator[tuple[str, bytes, str]]:
    """As ``json_bodies``, as multipart; and the content type with its charset."""
    plain = f"multipart/form-data; boundary={_BOUNDARY}"
    for field in fields:
        for name, value in FORM_VALUES.items():
            yield f"{field}: {name}", _multipart({**fields, field: value}), plain
        body = _multipart({**fields, field: UTF_7_SURROGATE})
        yield f"{field}: surrogate", body, f"{plain}; charset=utf-7"
    yield "field name", _multipart({**fields, "a\x00b": "c"}), plain


def _multipart(fields: Mapping[str, Any]) -> bytes:
    lines: list[bytes] = []
    for name, value in fields.items():
        is_file = isinstance(value, bytes)
        text = value if is_file else str(value).encode()
        file = '; filename="items.jsonl"\r\nContent-Type: application/octet-stream'
        head = f'Content-Disposition: form-data; name="{name}"{file if is_file else ""}'
        lines += [f"--{_BOUNDARY}".encode(), head.encode(), b"", text]
    return b"\r\n".join([*lines, f"--{_BOUNDARY}--".encode(), b""])
