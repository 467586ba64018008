"""Bytes by digest over Django's storages: hashed while they stream, visible only when whole."""

import errno
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from config.core.digests import CHUNK_BYTES
from config.core.errors import NoRoom

# What os.link says on another file system, or on one without links.
UNLINKABLE = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
INCOMING = "incoming"


@dataclass(frozen=True)
class StoredBytes:
    """What was put: its digest and size, and whether the store lacked it before."""

    sha256: str
    size_bytes: int
    is_new: bool


def key_of(sha256: str) -> str:
    """The name of these bytes in the store."""
    return f"sha256/{sha256[:2]}/{sha256}"


@contextmanager
def full_disk_named(place: str = "under FORMULARY_HOME") -> Iterator[None]:
    """Say in words that there is no room, instead of as an error of ours.

    Raises:
        NoRoom: the block met a full disk, a quota of the file system, or its largest file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoom(
            "The disk that takes the bytes is full; nothing of this request was kept.",
            fix=f"Make room {place} and send the same request again.",
        ) from error


def blob_storage() -> Storage:
    """The storage that settings name ``blobs``."""
    return storages["blobs"]


def pieces_of(stream: IO[bytes]) -> Iterator[bytes]:
    """What is left in ``stream``, in pieces of 1 MiB."""
    while piece := stream.read(CHUNK_BYTES):
        yield piece


def put(
    pieces: Iterable[bytes], *, claim: Callable[[str], object] = lambda sha256: None
) -> StoredBytes:
    """Store the bytes that ``pieces`` yields under their SHA-256; identical bytes are kept once.

    ``claim`` is called with the digest before anybody looks whether the store has the bytes: what
    it does then keeps them from being erased at this moment.

    On a file system they are written beside, synced and renamed; elsewhere (S3) they are written
    to a local file first and sent under their final key, where they appear when the last byte has
    arrived. Either way a crash at any point leaves nothing visible under a digest.

    Raises:
        NoRoom: the disk is full; nothing of the bytes is left.
    """
    storage = blob_storage()
    with full_disk_named():
        if isinstance(storage, FileSystemStorage):
            return _put_file(storage, pieces, claim)
        return _put_object(storage, pieces, claim)


def put_whole(path: Path, *, sha256: str, size_bytes: int) -> StoredBytes:
    """Store the synced file at ``path``, which the caller has hashed and nobody changes any more.

    On the store's own file system it gets a second name instead of being copied; ``path`` stays.

    Raises:
        NoRoom: the disk is full.
    """
    storage = blob_storage()
    with full_disk_named():
        if not isinstance(storage, FileSystemStorage):
            with path.open("rb") as stream:
                return _put_named(storage, stream, sha256, size_bytes)
        beside = _incoming(storage) / uuid.uuid4().hex
        try:
            os.link(path, beside)
            return _settle(storage, beside, sha256, size_bytes)
        except OSError as error:
            if error.errno not in UNLINKABLE:
                raise
        finally:
            beside.unlink(missing_ok=True)
        with path.open("rb") as stream:
            return _put_file(storage, pieces_of(stream), lambda sha256: None)


def has(key: str, *, size_bytes: int) -> bool:
    """Whether the store has that many bytes under this key; one look, nothing is read."""
    try:
        return blob_storage().size(key) == size_bytes
    except FileNotFoundError:
        return False


def open_key(key: str) -> "File[bytes]":
    """The stored bytes, for reading in pieces.

    Raises:
        FileNotFoundError: there are none under this key.
    """
    return blob_storage().open(key, "rb")


def delete(key: str) -> None:
    """Erase the bytes under this key; nothing happens where there are none."""
    blob_storage().delete(key)


def sweep_incoming(*, older_than_seconds: float, now_seconds: float) -> int:
    """Delete what killed uploads left behind; returns how many files went."""
    storage = blob_storage()
    if not isinstance(storage, FileSystemStorage):
        return 0
    gone = 0
    for path in _incoming(storage).iterdir():
        with suppress(FileNotFoundError):
            if now_seconds - path.stat().st_mtime > older_than_seconds:
                path.unlink()
                gone += 1
    return gone


def _incoming(storage: FileSystemStorage) -> Path:
    folder = Path(storage.path(INCOMING))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy(pieces: Iterable[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest = hashlib.sha256()
    size_bytes = 0
    for piece in pieces:
        digest.update(piece)
        size_bytes += len(piece)
        target.write(piece)
    return digest.hexdigest(), size_bytes


def _put_file(
    storage: FileSystemStorage, pieces: Iterable[bytes], claim: Callable[[str], object]
) -> StoredBytes:
    beside = _incoming(storage) / uuid.uuid4().hex
    try:
        with beside.open("xb") as stream:
            sha256, size_bytes = _copy(pieces, stream)
            stream.flush()
            os.fsync(stream.fileno())
        claim(sha256)
        return _settle(storage, beside, sha256, size_bytes)
    finally:
        beside.unlink(missing_ok=True)


def _settle(storage: FileSystemStorage, beside: Path, sha256: str, size_bytes: int) -> StoredBytes:
    """Give the whole and synced file ``beside`` its final name."""
    target = Path(storage.path(key_of(sha256)))
    # A file of another size under this digest was damaged: the rename heals it.
    with suppress(FileNotFoundError):
        if target.stat().st_size == size_bytes:
            return StoredBytes(sha256, size_bytes, is_new=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    if storage.file_permissions_mode is not None:
        beside.chmod(storage.file_permissions_mode)
    beside.rename(target)
    for folder in (target.parent, target.parent.parent):
        _sync_folder(folder)
    return StoredBytes(sha256, size_bytes, is_new=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_object(
    storage: Any, pieces: Iterable[bytes], claim: Callable[[str], object]
) -> StoredBytes:
    with tempfile.TemporaryFile() as local:
        sha256, size_bytes = _copy(pieces, local)
        local.seek(0)
        claim(sha256)
        return _put_named(storage, local, sha256, size_bytes)


def _put_named(storage: Any, stream: IO[bytes], sha256: str, size_bytes: int) -> StoredBytes:
    key = key_of(sha256)
    if has(key, size_bytes=size_bytes):
        return StoredBytes(sha256, size_bytes, is_new=False)
    storage.save(key, File(stream, name=key))
    return StoredBytes(sha256, size_bytes, is_new=True)
