"""Files that are not whole yet: one writer at a time, appended, synced, cut back."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings

from config.core.digests import sha256_file
from config.core.errors import NoRoom
from config.core.storage import full_disk_named
from registry.domain.uploads import CHUNK_MAX_BYTES
from registry.errors import UploadBusy, UploadInvalid, UploadTooLarge

SUFFIX = ".part"


@dataclass(frozen=True)
class PartialFile:
    """An open and locked file; whoever holds it is its only writer on this file system."""

    path: Path
    descriptor: int

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return os.fstat(self.descriptor).st_size

    def cut(self, size_bytes: int) -> None:
        """Forget what lies behind ``size_bytes``."""
        if self.size_bytes > size_bytes:
            os.ftruncate(self.descriptor, size_bytes)

    def append(self, pieces: Iterable[bytes], *, at_bytes: int, room_bytes: int) -> tuple[int, str]:
        """Write ``pieces`` behind ``at_bytes`` and sync; returns their number and hex SHA-256.

        Whatever goes wrong, the file ends at ``at_bytes`` again.

        Raises:
            UploadTooLarge: a chunk of more than 16 MiB.
            UploadInvalid: more than ``room_bytes``, which is what the declared size leaves.
            NoRoom: the disk is full.
        """
        digest, written_bytes, is_kept = hashlib.sha256(), 0, False
        os.lseek(self.descriptor, at_bytes, os.SEEK_SET)
        try:
            with full_disk_named():
                for piece in pieces:
                    written_bytes += len(piece)
                    _refuse_excess(written_bytes, room_bytes)
                    digest.update(piece)
                    _write_all(self.descriptor, piece)
                os.fsync(self.descriptor)
            is_kept = True
        finally:
            if not is_kept:
                self.cut(at_bytes)
        return written_bytes, digest.hexdigest()

    def sha256(self) -> str:
        """Hex SHA-256 of the file as it lies on the disk, in flat memory."""
        return sha256_file(self.path)

    def discard(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


@contextmanager
def locked(uuid: UUID) -> Iterator[PartialFile]:
    """The upload's file, made where it is missing; the lock ends with the block or the process.

    Raises:
        UploadBusy: somebody else holds it.
    """
    path = _path(uuid)
    with full_disk_named():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadBusy(
                "Another request writes to this upload at this moment.",
                fix="Ask HEAD in a second where it stands; one client at a time sends chunks.",
                retry_after_seconds=1,
            ) from error
        yield PartialFile(path, descriptor)
    finally:
        os.close(descriptor)


def found_bytes(uuid: UUID) -> int:
    """How long the upload's file is; 0 where there is none."""
    with suppress(FileNotFoundError):
        return _path(uuid).stat().st_size
    return 0


def require_room(size_bytes: int) -> None:
    """Refuse a file that the disk could not take even now.

    Raises:
        NoRoom: saying how much there is.
    """
    folder: Path = settings.UPLOAD_FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes > free_bytes:
        raise NoRoom(
            f"The file has {size_bytes} bytes and the disk has room for {free_bytes}.",
            fix="Make room under FORMULARY_HOME and try again.",
        )


def all_uuids() -> list[UUID]:
    """The uploads that have a file."""
    folder: Path = settings.UPLOAD_FOLDER
    return [UUID(path.stem) for path in folder.glob(f"*{SUFFIX}")] if folder.is_dir() else []


def _path(uuid: UUID) -> Path:
    folder: Path = settings.UPLOAD_FOLDER
    return folder / f"{uuid}{SUFFIX}"


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        # A whole file that the store has linked is read-only; its end may still be to be recorded.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _refuse_excess(written_bytes: int, room_bytes: int) -> None:
    if written_bytes > CHUNK_MAX_BYTES:
        raise UploadTooLarge(
            f"The chunk has more than {CHUNK_MAX_BYTES} bytes.", fix="Send smaller chunks."
        )
    if written_bytes > room_bytes:
        raise UploadInvalid(
            f"The chunk goes beyond the declared size: {room_bytes} bytes are left.",
            fix="Begin a new upload with the file's size as it is now.",
        )
