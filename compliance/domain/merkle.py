"""The tree head of an append-only log (RFC 6962, 2.1), grown leaf by leaf in logarithmic memory."""

import hashlib
from collections.abc import Iterable
from typing import Self

NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 of 0x01 and its two children."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees that a log of ``size`` leaves is made of, largest first.

    Appending costs a constant number of hashes on average, the root one for each subtree; so the
    head of a log that grew by n leaves costs n, however long the log is.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)
        if len(self.roots) != size.bit_count():
            raise ValueError(f"a log of {size} leaves has not {len(self.roots)} perfect subtrees")

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        self.roots.append(leaf)
        self.size += 1
        # A trailing zero bit of the new size is a pair of equal subtrees that became one.
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self.roots.pop()
            self.roots.append(node_hash(self.roots.pop(), right))

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far; of none, the hash of the empty text."""
        if not self.roots:
            return EMPTY_ROOT
        *rest, root = self.roots
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def as_hex(self) -> list[str]:
        """The subtree roots for a JSON column; ``from_hex`` reads them back."""
        return [root.hex() for root in self.roots]

    @classmethod
    def from_hex(cls, size: int, roots: Iterable[str]) -> Self:
        """The frontier that ``as_hex`` wrote for a log of ``size`` leaves."""
        return cls(size, (bytes.fromhex(root) for root in roots))
