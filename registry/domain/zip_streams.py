"""ZIP archives written piece by piece, so that no archive is ever held in memory or on a disk."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PIECE_BYTES = 1 << 16
# Weights don't shrink; packing them would cost seconds and win nothing.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ZipMember:
    """A file of an archive: its path, its size, and its bytes when they are asked for."""

    path: str
    size_bytes: int
    pieces: Iterable[bytes]


class _Sink(io.RawIOBase):
    """Takes what the archive writes and gives it away; an archive can't seek in it."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._waiting += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


def zip_pieces(members: Iterable[ZipMember]) -> Iterator[bytes]:
    """The archive of ``members``, unpacked inside, in pieces of about 64 KiB.

    The same members make the same bytes: no time of writing is in them.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.path, EPOCH)
            info.external_attr = 0o644 << 16
            info.file_size = member.size_bytes
            with archive.open(info, "w", force_zip64=member.size_bytes >= 1 << 31) as target:
                for piece in member.pieces:
                    target.write(piece)
                    if len(sink._waiting) >= PIECE_BYTES:
                        yield sink.take()
    yield sink.take()
