"""Packages in the ZIP of a backup: without the paper that lies in it beside the adapter's files."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from registry.domain.avatars import BACKUP_METADATA
from registry.domain.packages import PackageLimits
from registry.domain.zip_packages import ZipPackage


class BackupSource:
    """A seekable stream that is to be the ZIP of an avatar's adapter."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @contextmanager
    def open(self, *, limits: PackageLimits, required: Iterable[str]) -> Iterator[ZipPackage]:
        """Guard and list the archive without extracting it."""
        with ZipPackage(self._stream, limits=limits, required=required) as package:
            package.members = [
                member for member in package.members if member.path != BACKUP_METADATA
            ]
            yield package
