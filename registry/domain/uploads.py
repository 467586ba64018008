"""Rules of uploads in chunks: sizes, headers, and where a broken upload stands."""

import base64
import binascii
import re

from registry.errors import UploadInvalid

CHUNK_MAX_BYTES = 16 << 20
TTL_SECONDS = 24 * 3600
_NUMBER = re.compile(r"[0-9]{1,18}")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_DIGEST_BYTES = 32


def parse_offset(text: str) -> int:
    """The header ``Upload-Offset``.

    Raises:
        UploadInvalid: it is no whole number of bytes.
    """
    if not _NUMBER.fullmatch(text):
        raise UploadInvalid(
            f"Upload-Offset is {text[:40]!r}, which is no number of bytes.",
            fix="Send the number of bytes that are stored; HEAD on the upload tells it.",
        )
    return int(text)


def parse_checksum(text: str) -> str:
    """The hex digest in ``Upload-Checksum: sha256 <base64 or hex>``; empty without the header.

    Raises:
        UploadInvalid: another algorithm, or no digest.
    """
    if not text:
        return ""
    algorithm, _, value = text.partition(" ")
    if algorithm == "sha256" and _HEX.fullmatch(value):
        return value.lower()
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if algorithm != "sha256" or len(digest) != _DIGEST_BYTES:
        raise UploadInvalid(
            "Upload-Checksum is no SHA-256.",
            fix="Write sha256, a space, and the digest of the chunk in base64 or hex.",
        )
    return digest.hex()


def safe_bytes(*, recorded_bytes: int, found_bytes: int) -> int:
    """How many bytes may be relied on.

    The row is written after the file was synced. So a longer file has a tail that nobody was told
    is stored: it is sent again. A shorter one lost bytes (a disk was exchanged): what is there
    counts, and the digest of the whole judges it at the end.
    """
    return min(recorded_bytes, found_bytes)
