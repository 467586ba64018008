"""The strict header parser: sound files are read, nothing else raises anything but our error."""

import io
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.safetensors_header import HeaderInvalid, read_header
from tests.faults.adapters import lora_tensors, ranks_of, safetensors_bytes, with_header

GOOD = safetensors_bytes(lora_tensors(ranks_of("q_proj")))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def parse(raw: bytes) -> None:
    read_header(io.BytesIO(raw), size_bytes=len(raw), maximum_bytes=1 << 20)


def test_a_sound_file_is_read_without_its_weights() -> None:
    stream = io.BytesIO(GOOD)
    header = read_header(stream, size_bytes=len(GOOD))
    assert len(header.tensors) == 12
    assert stream.tell() == header.data_start
    assert header.metadata == {"format": "pt"}


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_only_our_error(raw: bytes) -> None:
    with pytest.raises(HeaderInvalid):
        parse(raw + b"\xff")


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_arbitrary_headers_raise_only_our_error(header: bytes, data: bytes) -> None:
    try:
        parse(with_header(header, data))
    except HeaderInvalid as problem:
        assert problem.message
        assert problem.fix


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4), st.binary(max_size=40))
def test_arbitrary_json_raises_only_our_error(table: dict[str, object], data: bytes) -> None:
    try:
        parse(with_header(json.dumps(table).encode(), data))
    except HeaderInvalid as problem:
        assert problem.message


@given(
    st.dictionaries(
        st.sampled_from(["dtype", "shape", "data_offsets"]), json_values, min_size=3, max_size=3
    )
)
def test_arbitrary_tensor_entries_raise_only_our_error(entry: dict[str, object]) -> None:
    with pytest.raises(HeaderInvalid):
        parse(with_header(json.dumps({"t": entry}).encode(), b"x"))


@given(st.integers(0, len(GOOD) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(HeaderInvalid):
        parse(GOOD[:length])


@pytest.mark.parametrize(
    ("entry", "data"),
    [
        ({"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}, 4),
        ({"dtype": "F3", "shape": [1], "data_offsets": [0, 4]}, 4),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}, 4),
        ({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}, 4),
        ({"dtype": "F32", "shape": [10**30, 0], "data_offsets": [0, 0]}, 0),
        ({"dtype": "F32", "shape": [1] * 9, "data_offsets": [0, 4]}, 4),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}, 4),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}, 8),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, 8),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, 3),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, 5),
    ],
)
def test_unsound_entries_are_refused(entry: dict[str, object], data: int) -> None:
    with pytest.raises(HeaderInvalid):
        parse(with_header(json.dumps({"t": entry}).encode(), bytes(data)))


def test_names_that_can_not_be_printed_are_refused() -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    for name in ("\ud800", "a\x00b", "a\nb"):
        with pytest.raises(HeaderInvalid, match="printed"):
            parse(with_header(json.dumps({name: entry}).encode(), b""))


def test_a_name_twice_is_refused_and_named() -> None:
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    with pytest.raises(HeaderInvalid, match="twice") as caught:
        parse(with_header(f'{{"t":{entry},"t":{entry}}}'.encode(), b""))
    assert caught.value.tensor == "t"


def test_a_long_header_is_refused_before_it_is_read() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            self.taken += len(piece)
            return piece

    stream = Counting(struct.pack("<Q", 100_000_001) + b"{" * 5000)
    with pytest.raises(HeaderInvalid, match="100000000 are allowed"):
        read_header(stream, size_bytes=200_000_000)
    assert stream.taken == 8
