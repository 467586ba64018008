"""The audit trail's canonical event and the hash that chains it to the one before."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from config.core.digests import canonical_json

LEAF_PREFIX = b"\x00"
NO_PREVIOUS = ""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What the sealer adds to an event, once.

    ``previous_hash`` is empty for the first event; ``sealed_at`` is UTC ISO 8601 text.
    """

    sequence: int
    previous_hash: str
    sealed_at: str


def event_body(
    *,
    uuid: str,
    at: str,
    actor: Mapping[str, str],
    action: str,
    object_type: str,
    object_id: str,
    object_rev: str,
    diff: Mapping[str, Any],
    reason: str,
    request_id: str,
    app_version: str,
) -> dict[str, Any]:
    """An event without its place in the chain; ``diff`` is ``{field: [old, new]}``."""
    return {
        "id": uuid,
        "ts": at,
        "actor": dict(actor),
        "action": action,
        "object": {"type": object_type, "id": object_id, "rev": object_rev},
        "diff": plain(diff),
        "reason": plain(reason),
        "request_id": request_id,
        "app_version": app_version,
    }


def sealed_bytes(body: Mapping[str, Any], seal: Seal) -> bytes:
    """The canonical bytes of an event at its place in the chain."""
    return canonical_json(
        {
            **body,
            "seq": seal.sequence,
            "prev": seal.previous_hash,
            "sealed": seal.sealed_at,
        }
    )


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256 of 0x00 and ``data`` (RFC 6962, 2.1)."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def event_hash(body: Mapping[str, Any], seal: Seal) -> str:
    """Hex hash of an event at its place; also its leaf in the tree."""
    return leaf_hash(sealed_bytes(body, seal)).hex()


def plain(value: Any) -> Any:
    """``value`` as JSON without floats: moments, uuids and decimals become text.

    Raises:
        TypeError: a value of a kind that has no one text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Enums become their text; lone surrogates have no UTF-8 and NUL has no place in a column.
        return str(value).encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    raise TypeError(f"{type(value).__name__} has no place in an audit event; pass text")
