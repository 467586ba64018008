"""ZIP archives as packages: listed without extracting, read in pieces under a running byte cap."""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Self

from registry.domain.packages import (
    Member,
    PackageFault,
    PackageInvalid,
    PackageLimits,
    plan_package,
    printable,
    strip_top_folder,
)

PIECE_BYTES = 1 << 20
DIRECTORY_BYTES_PER_FILE = 4096
_END, _END64, _END64_PLACE = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_MAX_COMMENT = 65_535
# What the zipfile module raises on hostile bytes, found by fuzzing it.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    OverflowError,
    struct.error,
    zlib.error,
)


def _unreadable(detail: str) -> PackageInvalid:
    return PackageInvalid(
        [
            PackageFault(
                "unreadable",
                "",
                f"The ZIP archive can't be read: {detail}.",
                "Pack the folder again and upload the whole file.",
            )
        ]
    )


class ZipPackage:
    """A ZIP archive whose members have passed every guard; use it as a context manager.

    Reading counts the bytes that really come out, whatever the archive says about its sizes.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        limits: PackageLimits | None = None,
        required: Iterable[str] = (),
    ) -> None:
        """List the archive in ``stream`` (seekable) and guard it.

        Raises:
            PackageInvalid: it is no readable archive, or a member is unsafe; ``errors`` has all.
        """
        self.limits = limits or PackageLimits()
        _guard_directory(stream, self.limits)
        try:
            self._archive = zipfile.ZipFile(stream)
        except _ZIP_ERRORS as error:
            raise _unreadable(type(error).__name__) from error
        self._unread_bytes = self.limits.total_bytes
        self._by_name = {info.orig_filename: info for info in self._archive.infolist()}
        announced = [
            _member(info) for info in self._archive.infolist() if not info.filename.endswith("/")
        ]
        self.members: Sequence[Member] = strip_top_folder(announced)
        # Unsafe paths are judged as they were packed, missing files as they will be stored.
        faults = plan_package(announced, limits=self.limits)
        faults = faults or plan_package(self.members, limits=self.limits, required=required)
        if faults:
            self._archive.close()
            raise PackageInvalid(faults)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The bytes of ``member`` in pieces of at most 1 MiB.

        Raises:
            PackageInvalid: the member is damaged, or more comes out than was announced or allowed.
        """
        left = min(member.size_bytes, self.limits.file_bytes)
        try:
            with self._archive.open(self._by_name[member.name]) as source:
                while piece := source.read(PIECE_BYTES):
                    left -= len(piece)
                    self._unread_bytes -= len(piece)
                    if left < 0 or self._unread_bytes < 0:
                        raise PackageInvalid([_too_much(member)])
                    yield piece
        except _ZIP_ERRORS as error:
            raise _unreadable(f"{printable(member.path)} is damaged") from error
        if left > 0:
            raise _unreadable(f"{printable(member.path)} is shorter than announced")


def _too_much(member: Member) -> PackageFault:
    path = printable(member.path)
    return PackageFault(
        "bomb",
        path,
        f"{path} unpacks to more bytes than it announces or than are allowed.",
        "Upload the files without an archive.",
    )


def _member(info: zipfile.ZipInfo) -> Member:
    return Member(
        # The part after a NUL byte is what zipfile cuts off; it must be seen by the guards.
        path=info.orig_filename if "\0" in info.orig_filename else info.filename,
        size_bytes=info.file_size,
        packed_bytes=info.compress_size,
        mode=info.external_attr >> 16,
        # Bit 0: encrypted, bit 6: strong encryption, bit 13: masked directory.
        is_encrypted=bool(info.flag_bits & 0x2041),
        is_known_method=info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        name=info.orig_filename,
    )


def _guard_directory(stream: BinaryIO, limits: PackageLimits) -> None:
    """Refuse a central directory too large to be read into memory, before it is read."""
    size_bytes = stream.seek(0, 2)
    start = max(0, size_bytes - _MAX_COMMENT - 22 - 20)
    stream.seek(start)
    tail = stream.read(_MAX_COMMENT + 22 + 20)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        raise _unreadable("it has no end record")
    directory_bytes = struct.unpack_from("<L", tail, place + 12)[0]
    if place >= 20 and tail[place - 20 : place - 16] == _END64_PLACE:
        # zipfile looks for the 64-bit record right before its locator, wherever that points to.
        stream.seek(max(0, start + place - 20 - 56))
        record = stream.read(56)
        if record[:4] == _END64 and len(record) == 56:
            directory_bytes = struct.unpack_from("<Q", record, 40)[0]
    if directory_bytes > limits.files * DIRECTORY_BYTES_PER_FILE:
        raise PackageInvalid(
            [
                PackageFault(
                    "too_many_files",
                    "",
                    f"The archive's directory has {directory_bytes} bytes: more than "
                    f"{limits.files} files.",
                    "Upload only what PEFT's save_pretrained wrote.",
                )
            ]
        )
    stream.seek(0)
