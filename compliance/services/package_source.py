"""A registered version's files, read from the blob store as the checks want them."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from compliance.domain.snapshot import PackageFacts
from registry.domain.packages import Member
from registry.errors import BlobNotFound
from registry.models import Version
from registry.services import blobs

TOKENIZER_FILE = "tokenizer.json"


class BlobSource:
    """The package of a version. A blob that the store has lost is a file that is not there."""

    def __init__(self, version: Version) -> None:
        self._blobs = {
            row.path: row.blob for row in version.files.select_related("blob").order_by("path")
        }

    def members(self) -> Sequence[Member]:
        """All files whose bytes can be opened."""
        return [
            Member(path, blob.size_bytes)
            for path, blob in self._blobs.items()
            if self._is_there(path)
        ]

    def open(self, path: str) -> BinaryIO:
        """A seekable stream of a file's bytes."""
        return cast(BinaryIO, blobs.open(self._blobs[path]))

    def _is_there(self, path: str) -> bool:
        try:
            self.open(path).close()
        except BlobNotFound:
            return False
        return True


def collect(version: Version) -> PackageFacts:
    """The facts of a version's package, every byte read anew.

    Raises:
        OSError: the store does not answer.
    """
    # With numpy, which of all processes only those load that look into weights.
    from compliance.checks.collect import collect_package

    tokenizer = Path(version.adapter.base_model.folder) / TOKENIZER_FILE
    return collect_package(
        BlobSource(version), base_tokenizer=tokenizer if tokenizer.is_file() else None
    )
