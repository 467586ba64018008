"""Stores bytes by digest, opens and verifies them."""

import hashlib
from collections.abc import Iterable
from typing import IO

from django.core.files.base import File

from config.core import clock, object_store, storage
from registry.errors import BlobDamaged, BlobNotFound
from registry.models import Blob


def store(stream: IO[bytes]) -> Blob:
    """Store what is left in ``stream`` and return its blob; identical bytes are kept once."""
    return store_pieces(storage.pieces_of(stream))


def store_pieces(pieces: Iterable[bytes]) -> Blob:
    """Store the bytes that ``pieces`` yields, in flat memory.

    The bytes come first and the row second: a row never names bytes that are not there.
    """
    stored = storage.put(pieces, claim=claim)
    blob, _ = Blob.objects.get_or_create(
        sha256=stored.sha256, defaults={"size_bytes": stored.size_bytes}
    )
    return blob


def claim(*sha256s: str) -> None:
    """Say that these bytes are about to be used, before looking whether the store has them.

    Garbage collection locks the row of bytes that it erases. This waits for it, and then the bytes
    are seen to be gone; or it comes first, and they are no garbage any more.
    """
    marked = Blob.objects.filter(sha256__in=sha256s, unreferenced_since__isnull=False)
    marked.update(unreferenced_since=None)


def open(blob: Blob) -> "File[bytes]":
    """The blob's bytes for reading at any place; from a bucket they are fetched whole first.

    Raises:
        BlobNotFound: the store lost them.
    """
    try:
        if object_store.is_s3():
            # Without a name Django calls a file false, and readers of ZIPs take it for closed.
            return File(object_store.fetch(blob.key), name=blob.key)
        return storage.open_key(blob.key)
    except FileNotFoundError as error:
        raise _lost(blob) from error


def stream(blob: Blob, *, offset_bytes: int = 0) -> IO[bytes]:
    """The blob's bytes from ``offset_bytes`` on, for reading once; they come as they are read.

    Raises:
        BlobNotFound: the store lost them.
    """
    try:
        if object_store.is_s3():
            return object_store.stream(blob.key, offset_bytes=offset_bytes)
        opened = storage.open_key(blob.key)
        opened.seek(offset_bytes)
        return opened
    except FileNotFoundError as error:
        raise _lost(blob) from error


def is_stored(blob: Blob) -> bool:
    """Whether the store has as many bytes as the row says; nothing is read."""
    return storage.has(blob.key, size_bytes=blob.size_bytes)


def require_stored(blob: Blob) -> None:
    """Say that the bytes are lost where they are, so that a client sends them again.

    Raises:
        BlobNotFound: the store has none, or not as many.
    """
    if not is_stored(blob):
        raise _lost(blob)


def verify(blob: Blob) -> None:
    """Read the stored bytes and compare them with the digest.

    Raises:
        BlobNotFound: the store lost them.
        BlobDamaged: they are other bytes now.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    with stream(blob) as stored:
        for piece in storage.pieces_of(stored):
            digest.update(piece)
            size_bytes += len(piece)
    if digest.hexdigest() != blob.sha256 or size_bytes != blob.size_bytes:
        raise BlobDamaged(
            f"The bytes stored under {blob.sha256} are not what was stored.",
            fix="Stop the versions that use them, and restore the blob store from its backup.",
        )


def sweep_incoming(*, older_than_seconds: float = 24 * 3600) -> int:
    """Delete what killed uploads left beside the store; returns how many files went."""
    if object_store.is_s3():
        return object_store.sweep_incoming(older_than_seconds=older_than_seconds)
    return storage.sweep_incoming(
        older_than_seconds=older_than_seconds, now_seconds=clock.now().timestamp()
    )


def _lost(blob: Blob) -> BlobNotFound:
    return BlobNotFound(
        f"The store has no bytes for {blob.sha256}.",
        fix="Restore the blob store from its backup; uploading the same file again heals it.",
    )
