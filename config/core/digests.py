"""SHA-256 digests, canonical JSON (RFC 8785 without floats) and names built from digests."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 20
SHORT_HEX = 12
# A whole SHA-256 as we write it; match it against the whole text.
WHOLE_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256_hex(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: BinaryIO) -> tuple[str, int]:
    """Hex SHA-256 and size in bytes of what is left in ``stream``, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    size_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file at ``path``, in flat memory."""
    with path.open("rb") as stream:
        return sha256_stream(stream)[0]


def _refuse_floats(value: Any, where: str) -> None:
    if isinstance(value, float):
        raise TypeError(f"{where} is a float; canonical JSON takes decimals as strings")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has a key that is not text: {key!r}")
            _refuse_floats(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{where}[{index}]")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of ``value``: keys sorted by UTF-16 code units, no floats.

    Raises:
        TypeError: a float or a non-text key is inside; the message names the place.
    """
    _refuse_floats(value, "$")
    return _dump(value).encode()


def _dump(value: Any) -> str:
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_dump(key)}:{_dump(item)}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_dump(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def manifest_digest(files: Iterable[tuple[str, str, int]]) -> str:
    """The digest of a package: SHA-256 over the canonical list of (path, sha256, size_bytes).

    The order of ``files`` does not matter; paths are relative with forward slashes.
    """
    rows = [
        {"path": path, "sha256": sha256, "size_bytes": size_bytes}
        for path, sha256, size_bytes in sorted(files)
    ]
    return sha256_hex(canonical_json({"files": rows, "manifest": 1}))


def runtime_name(slug: str, digest: str) -> str:
    """The name of a version on nodes and in answers: ``slug@<12 hex>``."""
    return f"{slug}@{digest[:SHORT_HEX]}"
