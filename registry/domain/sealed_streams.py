"""Long texts sealed in pieces: STREAM with AES-256-GCM, under a key that is used for one file only.

Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance (CRYPTO 2015), with the framing of age (64 KiB pieces; a nonce of an 11-byte
counter and a byte that says whether the piece is the last), so that no piece can be changed, moved,
left out or cut off at the end.
"""

import secrets
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PIECE_BYTES = 1 << 16
TAG_BYTES = 16
KEY_BYTES = 32


class SealBroken(Exception):
    """The bytes are not what was sealed under this key."""


def new_key() -> bytes:
    """A fresh key; sealing two texts under one key would repeat nonces."""
    return secrets.token_bytes(KEY_BYTES)


def seal(pieces: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """The sealed form of the bytes in ``pieces``, piece by piece."""
    cipher = AESGCM(key)
    for counter, is_last, piece in _framed(pieces, PIECE_BYTES):
        yield cipher.encrypt(_nonce(counter, is_last), piece, None)


def unseal(pieces: Iterable[bytes], key: bytes) -> Iterator[bytes]:
    """What ``seal`` was given; a piece comes out only when it is proven whole.

    Raises:
        SealBroken: the bytes were changed, cut, or sealed under another key.
    """
    cipher = AESGCM(key)
    for counter, is_last, piece in _framed(pieces, PIECE_BYTES + TAG_BYTES):
        try:
            yield cipher.decrypt(_nonce(counter, is_last), piece, None)
        except InvalidTag as error:
            raise SealBroken from error


def _nonce(counter: int, is_last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([is_last])


def _framed(pieces: Iterable[bytes], size_bytes: int) -> Iterator[tuple[int, bool, bytes]]:
    """Pieces of ``size_bytes`` with their number; the last, and only it, may be shorter."""
    waiting = bytearray()
    counter = 0
    for piece in pieces:
        waiting += piece
        while len(waiting) > size_bytes:
            yield counter, False, bytes(waiting[:size_bytes])
            del waiting[:size_bytes]
            counter += 1
    yield counter, True, bytes(waiting)
