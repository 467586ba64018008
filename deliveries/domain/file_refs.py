"""What a file path of an entry may look like: absolute and local, or s3://bucket/key."""

import posixpath
from dataclasses import dataclass

S3 = "s3://"
MAX_LETTERS = 1024


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object in a bucket."""

    bucket: str
    key: str


def parse_s3(uri: str) -> S3Object:
    """The bucket and key of ``s3://bucket/key``.

    Raises:
        ValueError: it is no such address, or its key climbs.
    """
    bucket, _, key = uri.removeprefix(S3).partition("/")
    if not uri.startswith(S3) or not bucket or not key or key.endswith("/"):
        raise ValueError("an address in a store is s3://bucket/key")
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise ValueError("a key holds no empty, . or .. part")
    return S3Object(bucket, key)


def require_local(path: str) -> str:
    """``path`` if it is absolute and says nothing in two ways.

    Raises:
        ValueError: it is relative, climbs (``..``), doubles a slash, or is no path.
    """
    if not path.startswith("/"):
        raise ValueError("a path must be absolute")
    if path != posixpath.normpath(path) or path.startswith("//"):
        raise ValueError("a path holds no .., no . and no doubled or final slash")
    return path
