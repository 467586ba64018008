"""Where a package's bytes come from: something that opens into guarded members and their bytes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from registry.domain.packages import Member, PackageLimits


class OpenPackage(Protocol):
    """Members that have passed every guard of the door."""

    @property
    def members(self) -> Sequence[Member]:
        """The files, by their path in the package."""

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The bytes of one file in pieces of at most 1 MiB.

        Raises:
            PackageInvalid: they are not what was announced.
        """


class PackageSource(Protocol):
    """A package that has not been looked at yet."""

    def open(
        self, *, limits: PackageLimits, required: Iterable[str]
    ) -> AbstractContextManager[OpenPackage]:
        """Guard the container and list it.

        Raises:
            PackageInvalid: a fault; its ``errors`` lists each.
        """
