"""The header of a safetensors file, read strictly: no gap, no overlap, nothing left over."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeGuard

from config.core.errors import DomainError, ErrorKind

MAX_HEADER_BYTES = 100_000_000
MAX_DIMENSIONS = 8
MAX_COUNT = 2**48
DTYPE_BYTES: Mapping[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip


class HeaderInvalid(DomainError):
    """The file is not a sound safetensors file; ``tensor`` names the place where it is known."""

    code = "safetensors-invalid"
    title = "The weights file is not a sound safetensors file"
    kind = ErrorKind.UNPROCESSABLE

    def __init__(self, message: str, *, fix: str = "", tensor: str = "") -> None:
        super().__init__(message, fix=fix)
        self.tensor = tensor


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies: ``start`` and ``end`` are byte positions in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file in file order, and its free text metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    data_start: int
    size_bytes: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Tensor name → shape."""
        return {name: info.shape for name, info in self.tensors.items()}


def _refuse(message: str, *, tensor: str = "") -> HeaderInvalid:
    return HeaderInvalid(
        f"safetensors header: {message}",
        fix="Write the file again with safetensors.torch.save_file on the training machine.",
        tensor=tensor,
    )


def _constant(name: str) -> Any:
    raise _refuse(f"it holds {name}, which is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _refuse(f"the name {key!r} stands twice", tensor=key)
        found[key] = value
    return found


def read_header(
    stream: BinaryIO, *, size_bytes: int, maximum_bytes: int = MAX_HEADER_BYTES
) -> Header:
    """Parse the header at the start of ``stream``, a file of ``size_bytes``; weights stay unread.

    ``maximum_bytes`` bounds the header, and with it the memory that reading it takes; the format
    itself allows 100 MB. Source: the format's README at github.com/huggingface/safetensors.

    Raises:
        HeaderInvalid: length, JSON, names, dtypes, shapes or offsets are not sound.
    """
    prefix = stream.read(8)
    if len(prefix) < 8:
        raise _refuse(f"the file has {size_bytes} bytes, less than the 8 of a header length")
    length = int.from_bytes(prefix, "little")
    if length > maximum_bytes:
        raise _refuse(f"it claims {length} bytes, {maximum_bytes} are allowed")
    if 8 + length > size_bytes:
        raise _refuse(f"it claims {length} bytes in a file of {size_bytes}: the file is truncated")
    raw = stream.read(length)
    if len(raw) != length:
        raise _refuse("the file ends inside it")
    try:
        # Given bytes, Python would also take UTF-16, which no other reader of the format does.
        table = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise _refuse("it is not JSON in UTF-8") from error
    if not isinstance(table, dict):
        raise _refuse("it is not a JSON object")
    return _build(table, data_start=8 + length, size_bytes=size_bytes)


def _build(table: dict[str, Any], *, data_start: int, size_bytes: int) -> Header:
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _refuse("__metadata__ is not an object of texts")
    tensors = sorted(
        (_tensor(name, entry, data_start) for name, entry in table.items()),
        key=lambda info: (info.start, info.end),
    )
    position = data_start
    for info in tensors:
        if info.start != position:
            what = "a gap before it" if info.start > position else "it overlaps another tensor"
            raise _refuse(
                f"{info.name} starts at byte {info.start}, {position} was next: {what}",
                tensor=info.name,
            )
        position = info.end
    if position > size_bytes:
        raise _refuse(
            f"{tensors[-1].name} ends at byte {position}, the file at {size_bytes}: the file is "
            "truncated or the offset points outside",
            tensor=tensors[-1].name,
        )
    if position < size_bytes:
        raise _refuse(
            f"{size_bytes - position} bytes follow its last tensor, which ends at byte {position}"
        )
    return Header(
        tensors={info.name: info for info in tensors},
        metadata=metadata,
        data_start=data_start,
        size_bytes=size_bytes,
    )


def _tensor(name: str, entry: Any, data_start: int) -> TensorInfo:
    if not name.isprintable():
        raise _refuse(
            f"the name {name[:80]!a} holds characters that can't be printed",
            tensor=ascii(name[:80]),
        )
    if not isinstance(entry, dict):
        raise _refuse(f"{name} is not an object", tensor=name)
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise _refuse(f"{name} has the unknown dtype {str(dtype)[:40]!a}", tensor=name)
    if not _is_counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise _refuse(f"{name} has no shape of at most {MAX_DIMENSIONS} whole numbers", tensor=name)
    if not _is_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _refuse(f"{name} has no pair of offsets", tensor=name)
    wanted = math.prod(shape) * DTYPE_BYTES[dtype]
    if offsets[1] - offsets[0] != wanted:
        raise _refuse(
            f"{name} has {offsets[1] - offsets[0]} bytes, {dtype} {shape} asks for {wanted}",
            tensor=name,
        )
    return TensorInfo(
        name=name,
        dtype=dtype,
        shape=tuple(shape),
        start=data_start + offsets[0],
        end=data_start + offsets[1],
    )


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= MAX_COUNT
        for item in value
    )
