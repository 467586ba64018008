"""Packages of files: sent one by one, or lying in a folder."""

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from registry.domain.packages import (
    Member,
    PackageFault,
    PackageInvalid,
    PackageLimits,
    folder_members,
    guarded,
    printable,
)

PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class GivenFile:
    """A file by its relative path; ``open`` gives its bytes from the start."""

    path: str
    size_bytes: int
    open: Callable[[], IO[bytes]]


class OpenFiles:
    """Guarded files; bytes are counted again while they are read."""

    def __init__(
        self,
        members: Sequence[Member],
        opener: Callable[[Member], IO[bytes]],
        *,
        limits: PackageLimits,
        required: Iterable[str],
    ) -> None:
        self.members: Sequence[Member] = guarded(members, limits=limits, required=required)
        self._opener = opener

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The bytes of ``member``; refused when their number is not the announced one."""
        read_bytes = 0
        with self._opener(member) as stream:
            while piece := stream.read(PIECE_BYTES):
                read_bytes += len(piece)
                if read_bytes > member.size_bytes:
                    break
                yield piece
        if read_bytes != member.size_bytes:
            path = printable(member.path)
            raise PackageInvalid(
                [
                    PackageFault(
                        "changed",
                        path,
                        f"{path} has other bytes than were announced.",
                        "Upload it again, and don't write to it meanwhile.",
                    )
                ]
            )


class FilesSource:
    """Files that were sent one by one, each with its path."""

    def __init__(self, files: Sequence[GivenFile]) -> None:
        self._files = files

    @contextmanager
    def open(self, *, limits: PackageLimits, required: Iterable[str]) -> Iterator[OpenFiles]:
        """Guard paths, number and sizes."""
        members = [
            Member(path=file.path, size_bytes=file.size_bytes, name=str(index))
            for index, file in enumerate(self._files)
        ]

        def opener(member: Member) -> IO[bytes]:
            return self._files[int(member.name)].open()

        yield OpenFiles(members, opener, limits=limits, required=required)


class FolderSource:
    """A folder on this machine; links in it are refused and never followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, *, limits: PackageLimits, required: Iterable[str]) -> Iterator[OpenFiles]:
        """List the folder and guard it."""
        members = folder_members(self._folder)

        def opener(member: Member) -> IO[bytes]:
            path = self._folder / member.name
            if not stat.S_ISREG(path.lstat().st_mode):  # exchanged for a link since it was listed
                raise PackageInvalid(
                    [PackageFault("link", member.path, f"{member.path} is no file now.", "Retry.")]
                )
            return path.open("rb")

        yield OpenFiles(members, opener, limits=limits, required=required)
