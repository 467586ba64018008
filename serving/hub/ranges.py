"""One byte range of a request (RFC 9110, 14.2)."""

import re
from dataclasses import dataclass

from .errors import RangeUnsatisfiable

_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True)
class Span:
    """``length`` bytes from ``first`` of a file of ``size_bytes``; ``is_partial``: answer 206."""

    first: int
    length: int
    size_bytes: int
    is_partial: bool

    @property
    def is_to_the_end(self) -> bool:
        """Whether these are the file's last bytes, or all of them."""
        return self.first + self.length == self.size_bytes

    @property
    def content_range(self) -> str:
        """The header of a 206."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{self.size_bytes}"


def span_of(header: str, *, size_bytes: int) -> Span:
    """The bytes that ``Range`` asks for; all of them where it is no single range of bytes.

    Raises:
        RangeUnsatisfiable: it begins behind the last byte, or asks for the last zero bytes.
    """
    found = _ONE_RANGE.fullmatch(header)
    first_text, last_text = found.groups() if found else ("", "")
    if not first_text and not last_text:
        return Span(0, size_bytes, size_bytes, is_partial=False)
    if not first_text:
        first, last = max(0, size_bytes - int(last_text)), size_bytes - 1
    else:
        first = int(first_text)
        last = min(int(last_text), size_bytes - 1) if last_text else size_bytes - 1
        if last_text and int(last_text) < first:
            return Span(0, size_bytes, size_bytes, is_partial=False)
    if first >= size_bytes:
        raise RangeUnsatisfiable(size_bytes=size_bytes)
    return Span(first, last - first + 1, size_bytes, is_partial=True)
