"""A version's manifest: its sorted files, their digest, and a commit id for Hub clients."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from config.core.digests import canonical_json, manifest_digest

Row = tuple[str, str, int]


@dataclass(frozen=True)
class Manifest:
    """``rows`` are (path, sha256, size_bytes), sorted by path."""

    rows: tuple[Row, ...]
    digest: str
    commit_id: str
    size_bytes: int


def manifest_of(rows: Iterable[Row]) -> Manifest:
    """The manifest of these files.

    ``commit_id`` is the SHA-1 of the canonical manifest: a name of 40 hex, as Git's are, for
    clients that expect one; nothing is trusted because of it.
    """
    ordered = tuple(sorted(rows))
    text = canonical_json(
        {
            "files": [
                {"path": path, "sha256": sha256, "size_bytes": size_bytes}
                for path, sha256, size_bytes in ordered
            ],
            "manifest": 1,
        }
    )
    return Manifest(
        rows=ordered,
        digest=manifest_digest(ordered),
        commit_id=hashlib.sha1(text, usedforsecurity=False).hexdigest(),
        size_bytes=sum(size_bytes for _, _, size_bytes in ordered),
    )
