"""Sends stored bytes in pieces; all bytes of a file arrive only if they have its digest."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import IO

import structlog
from asgiref.sync import sync_to_async
from django.db import connections

from compliance.selectors.stop_list import stop_list
from config.core.digests import CHUNK_BYTES
from registry.errors import BlobDamaged
from registry.services import blobs

from .errors import RevisionWithdrawn
from .files import HubFile
from .ranges import Span

log = structlog.get_logger(__name__)


class Pieces:
    """The bytes of one span of a file, a megabyte at a time.

    A file's last bytes are given only if everything before and with them has the file's digest: no
    client holds a damaged file that looks complete, also not after a cut and a resumed download,
    for which the bytes before the range are read again. A part from the middle can't be compared.
    Nothing more is given once the version, whose digest is ``of``, was stopped.
    """

    def __init__(self, file: HubFile, span: Span, *, of: str) -> None:
        """Open the file and read its first piece, while the answer can still be an error.

        Raises:
            BlobNotFound: the store lost the bytes.
            BlobDamaged: this piece is the last one, and the bytes are not those that were stored.
        """
        self._file, self._of = file, of
        self._digest = hashlib.sha256() if span.is_to_the_end else None
        unread = 0 if self._digest else span.first
        self._stream: IO[bytes] = blobs.stream(file.blob, offset_bytes=unread)
        try:
            self._digest_first(span.first - unread)
            self._left = span.length
            self._first = self._read()
        except BaseException:
            self._stream.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, for a server that waits for them."""
        try:
            piece = self._first
            while piece:
                yield piece
                piece = self._read()
        finally:
            self._stream.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, each read in a thread."""
        try:
            piece = self._first
            while piece:
                yield piece
                piece = await sync_to_async(self._read, thread_sensitive=False)()
        finally:
            self._stream.close()

    def _digest_first(self, count: int) -> None:
        while count and self._digest is not None:
            piece = self._stream.read(min(CHUNK_BYTES, count))
            if not piece:
                raise self._damaged("shorter than its row says")
            self._digest.update(piece)
            count -= len(piece)

    def _read(self) -> bytes:
        # The list outside the database costs a look at a file's time, and no connection.
        if self._left and self._of in stop_list().stopped:
            log.info("hub.download_cut", version=self._of, digest=self._file.sha256)
            raise RevisionWithdrawn(
                "The version was stopped while it was being sent.",
                fix="Don't use what was received; ask for the revision again to read why.",
            )
        piece = self._stream.read(min(CHUNK_BYTES, self._left)) if self._left else b""
        if self._left and not piece:
            raise self._damaged("shorter than its row says")
        self._left -= len(piece)
        if self._digest is not None:
            self._digest.update(piece)
            if not self._left and self._digest.hexdigest() != self._file.sha256:
                raise self._damaged("not what its digest says")
        return piece

    def _damaged(self, how: str) -> BlobDamaged:
        log.error("hub.blob_damaged", digest=self._file.sha256)
        return BlobDamaged(
            f"The bytes stored under {self._file.sha256} are {how}.",
            fix="Stop the versions that use them, and restore the blob store from its backup.",
        )


def let_go_of_the_database() -> None:
    """Give the request's connection back before its bytes go out.

    Django does it at the end of a request; a slow client would hold one for as long as it reads.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
