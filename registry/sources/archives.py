"""Packages in a ZIP archive."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from registry.domain.packages import PackageLimits
from registry.domain.zip_packages import ZipPackage


class ArchiveSource:
    """A seekable stream that is to be a ZIP archive."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @contextmanager
    def open(self, *, limits: PackageLimits, required: Iterable[str]) -> Iterator[ZipPackage]:
        """Guard and list the archive without extracting it."""
        with ZipPackage(self._stream, limits=limits, required=required) as package:
            yield package
