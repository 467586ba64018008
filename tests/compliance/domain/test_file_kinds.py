"""Kinds of files by content, and what pickles would import, without loading them."""

import os
import pickle
import pickletools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.domain.file_kinds import (
    SAFE_KINDS,
    code_keys,
    is_hidden,
    is_pickle,
    kind_of,
    pickle_imports,
    read_json,
)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def kind(path: str, content: bytes) -> str:
    try:
        is_text = "\0" not in content.decode()
    except UnicodeDecodeError:
        is_text = False
    return kind_of(
        path, content[:65536], size_bytes=len(content), is_text=is_text, has_zip_end=False
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_seen_and_named(protocol: int) -> None:
    raw = pickle.dumps(Hostile(), protocol=protocol)
    assert kind("weights.txt", raw) == "pickle"
    assert pickle_imports(raw) == ["posix.system"]
    assert is_pickle(raw)


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("a.json", b'{"a": 1}', "json"),
        ("a.md", "# Über\n".encode(), "text"),
        ("a", b"", "empty"),
        ("LICENSE", b"MIT License\n\nCopyright (c) 2026\n", "text"),
        ("merges.txt", b"#version: 0.2\na b\n", "text"),
        ("vocab.txt", b"#\n.\nthe\n", "text"),
        ("tokenizer.model", b"\x0a\x0b\x0a\x05<unk>\x15\x00\x00\xff", "tokenizer"),
        ("x.py", b"print(1)", "script"),
        ("x", b"#!/usr/bin/env python\n", "script"),
        ("x.pyc", b"\xa7\r\r\n" + bytes(12) + b"\xe3" * 8, "bytecode"),
        ("x.npy", b"\x93NUMPY\x01\x00", "numpy"),
        ("x.safetensors", (2).to_bytes(8, "little") + b"{}", "safetensors"),
        ("x.safetensors", (640).to_bytes(8, "little") + b"{" + b" " * 639, "safetensors"),
    ],
)
def test_kinds(path: str, content: bytes, expected: str) -> None:
    assert kind(path, content) == expected


@given(st.binary(max_size=300), st.sampled_from(["a", "a.json", "a.model", "a.safetensors"]))
def test_any_bytes_have_a_kind(content: bytes, path: str) -> None:
    found = kind(path, content)
    assert found
    pickle_imports(content)
    try:
        content.decode()
    except UnicodeDecodeError:
        assert found not in ("text", "json", "script")


@given(st.recursive(st.integers() | st.text(), st.lists, max_leaves=20))
def test_every_harmless_pickle_of_protocol_2_is_still_a_pickle(value: object) -> None:
    raw = pickletools.optimize(pickle.dumps(value, protocol=2))
    assert kind("a.json", raw) not in SAFE_KINDS


def test_code_keys_are_found_at_any_depth_and_switched_off_ones_are_not() -> None:
    data = {"a": [{"auto_map": {"x": "y"}}], "trust_remote_code": False, "custom_code": "x"}
    assert code_keys(data) == ["a.auto_map", "custom_code"]


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": 1, "a": 2}', "NaN", "1" * 5000])
def test_bad_json_is_an_error_in_words(text: str) -> None:
    data, error = read_json(text)
    assert data is None
    assert error


def test_hidden_files() -> None:
    assert is_hidden(".env")
    assert is_hidden("a/.cache/b")
    assert not is_hidden(".gitattributes")
    assert not is_hidden("a/b.json")
