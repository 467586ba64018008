"""Sends one file in chunks; what a cut left is asked of the server and continued."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from .api import Api
from .endings import Away, Refused

CHUNK_BYTES = 8 << 20
CHUNK_TYPE = "application/offset+octet-stream"
# The answer to the last chunk comes when the whole file has been hashed.
LAST_ANSWER_SECONDS = 600.0
BEGINNINGS = 3


@dataclass(frozen=True)
class File:
    """A file of the package; ``pieces`` gives its bytes from the start."""

    path: str
    sha256: str
    size_bytes: int
    pieces: Callable[[], Iterator[bytes]]


class Reader:
    """Chunks of a file that can only be read from its start; jumps back begin anew."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._pieces: Iterator[bytes] = iter(())
        self._rest = b""
        self._at_bytes = -1

    def chunk(self, offset_bytes: int, size_bytes: int) -> bytes:
        """At most ``size_bytes`` from ``offset_bytes`` on; empty at the end."""
        if offset_bytes != self._at_bytes:
            self._pieces, self._rest, self._at_bytes = self._file.pieces(), b"", 0
            while self._at_bytes < offset_bytes and self._take(offset_bytes - self._at_bytes):
                pass
        parts: list[bytes] = []
        left = size_bytes
        while left and (part := self._take(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _take(self, size_bytes: int) -> bytes:
        self._rest = self._rest or next(self._pieces, b"")
        part, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        self._at_bytes += len(part)
        return part


class Sending:
    """One file on its way. State is on the server alone."""

    def __init__(self, api: Api, file: File, *, moved: Callable[[int], object]) -> None:
        self._api, self._file, self._moved = api, file, moved
        self._reader = Reader(file)
        self._shown_bytes = 0
        self.resumed_at_bytes = 0
        self.sent_bytes = 0

    def run(self) -> None:
        """Send until the server has the whole.

        Raises:
            Refused: the server does not take it.
            Away: nothing moved for as long as patience lasts; the same command goes on later.
        """
        for _ in range(BEGINNINGS):
            uuid, offset_bytes = self._find() or self._begin()
            self.resumed_at_bytes = self.resumed_at_bytes or offset_bytes
            try:
                return self._send_from(f"uploads/{uuid}", offset_bytes)
            except Refused as error:
                # Another client with the same file finished it, or it was ended meanwhile.
                if error.code == "upload-complete" or is_stored(self._api, self._file.sha256):
                    self._show(self._file.size_bytes)
                    return None
                if error.code != "upload-not-found":
                    raise
        raise Refused(
            f"The upload of {self._file.path} was ended by somebody else {BEGINNINGS} times.",
            fix="Let one client at a time push this package.",
        )

    def _find(self) -> tuple[str, int] | None:
        """The open upload of these bytes that is furthest, as the server's disk has it."""
        rows = self._api.newest("uploads", sha256=self._file.sha256)
        mine = [
            row
            for row in rows
            if row["state"] == "open" and row["size_bytes"] == self._file.size_bytes
        ]
        if not mine:
            return None
        furthest = max(mine, key=lambda row: row["offset_bytes"])
        return furthest["uuid"], self._standing(f"uploads/{furthest['uuid']}")

    def _begin(self) -> tuple[str, int]:
        body = {
            "size_bytes": self._file.size_bytes,
            "sha256": self._file.sha256,
            "path": self._file.path,
        }
        return self._api.json("POST", "uploads", json=body)["uuid"], 0

    def _send_from(self, url: str, offset_bytes: int) -> None:
        moved_at = time.monotonic()
        while True:
            self._show(offset_bytes)
            before_bytes = offset_bytes
            try:
                offset_bytes, is_done = self._patch(url, offset_bytes)
            except Away:
                if time.monotonic() - moved_at > self._api.patience_seconds:
                    raise Away(
                        f"{self._file.path} stands at {offset_bytes} of {self._file.size_bytes} "
                        "bytes, and nothing moves.",
                        fix="Run the same command again: it goes on from there.",
                    ) from None
                offset_bytes, is_done = self._standing(url), False
            if is_done:
                self._show(self._file.size_bytes)
                return
            if offset_bytes > before_bytes:
                moved_at = time.monotonic()

    def _patch(self, url: str, offset_bytes: int) -> tuple[int, bool]:
        chunk = self._reader.chunk(offset_bytes, CHUNK_BYTES)
        if not chunk and offset_bytes < self._file.size_bytes:
            raise Refused(
                f"{self._file.path} is shorter than it was when it was hashed.",
                fix="Push again when nobody writes to it.",
            )
        try:
            answer = self._api.once(
                "PATCH",
                url,
                content=chunk,
                headers={
                    "Content-Type": CHUNK_TYPE,
                    "Upload-Offset": str(offset_bytes),
                    "Upload-Checksum": f"sha256 {hashlib.sha256(chunk).hexdigest()}",
                },
                answer_seconds=LAST_ANSWER_SECONDS,
            )
        except Refused as error:
            if error.code == "upload-offset-wrong":
                return self._standing(url), False
            if error.code == "upload-busy":
                time.sleep(1)
                raise Away(error.message) from error
            raise
        self.sent_bytes += len(chunk)
        return _offset_of(answer), self._api.body_of(answer)["state"] == "done"

    def _standing(self, url: str) -> int:
        return _offset_of(self._api.call("HEAD", url))

    def _show(self, offset_bytes: int) -> None:
        if offset_bytes > self._shown_bytes:
            self._moved(offset_bytes - self._shown_bytes)
            self._shown_bytes = offset_bytes


def is_stored(api: Api, sha256: str) -> bool:
    """Whether the server has these bytes."""
    try:
        api.call("HEAD", f"blobs/{sha256}")
    except Refused as error:
        # An answer to HEAD has no body, and so no code.
        if error.status == httpx.codes.NOT_FOUND:
            return False
        raise
    return True


def _offset_of(answer: httpx.Response) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not text.isdecimal():
        raise Refused("The server does not say where the upload stands.")
    return int(text)
