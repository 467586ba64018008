"""The document that readers outside find in the metadata store: eight keys and no more."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def document(
    *,
    id: str,
    name: str,
    file_path: str,
    sha256: str,
    size_bytes: int | None,
    tags: Sequence[str],
    created_at: datetime,
    preview_url: str,
) -> dict[str, Any]:
    """The metadata of an entry; ``sha256`` and ``preview_url`` are null where there are none."""
    return {
        "id": id,
        "name": name,
        "file_path": file_path,
        "sha256": sha256 or None,
        "size_bytes": size_bytes,
        "tags": list(tags),
        "created_at": created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "preview_url": preview_url or None,
    }


def key(prefix: str, id: str) -> str:
    """``{prefix}/{id}.json``, or ``{id}.json`` without a prefix."""
    return "/".join(part for part in (prefix.strip("/"), f"{id}.json") if part)
