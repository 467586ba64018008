"""Checkpoints as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519 = b"\x01"
ROOT_BYTES = 32
SIGNATURE_BYTES = 64
_SIGNATURE_LINE = re.compile(r"^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$")


class NoteUnreadable(ValueError):
    """The text is not a checkpoint in a signed note."""


@dataclass(frozen=True)
class TreeHead:
    """How long a log was and what its root was (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text: origin, size and base64 root, a line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_hash(name: str, public: Ed25519PublicKey) -> bytes:
    """The four bytes by which a signature line names its key."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + raw).digest()[:4]


def sign(head: TreeHead, *, name: str, key: Ed25519PrivateKey) -> str:
    """The signed note of ``head`` by the key called ``name``."""
    signature = key.sign(head.text().encode())
    blob = base64.b64encode(key_hash(name, key.public_key()) + signature).decode()
    return f"{head.text()}\n\u2014 {name} {blob}\n"


def parse(note: str) -> tuple[TreeHead, tuple[tuple[str, bytes], ...]]:
    """The tree head and the signature lines (name, key hash and signature) of a note.

    Raises:
        NoteUnreadable: saying what is missing.
    """
    text, separator, lines = note.rpartition("\n\n")
    parts = text.split("\n")
    if not separator or len(parts) < 3:
        raise NoteUnreadable("It is not a signed note: origin, size, root, then signatures.")
    origin, size, root = parts[:3]
    if not origin or not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
        raise NoteUnreadable("Its second line is not a size.")
    found = []
    for line in lines.splitlines():
        match = _SIGNATURE_LINE.match(line)
        if not match:
            raise NoteUnreadable("A signature line is malformed.")
        found.append((match[1], _decoded(match[2], 4 + SIGNATURE_BYTES)))
    if not found:
        raise NoteUnreadable("It has no signature.")
    return TreeHead(origin, int(size), _decoded(root, ROOT_BYTES)), tuple(found)


def _decoded(text: str, size_bytes: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise NoteUnreadable("A line is not base64.") from error
    if len(data) != size_bytes:
        raise NoteUnreadable(f"A line holds {len(data)} bytes and not {size_bytes}.")
    return data


def is_signed_by(note: str, *, public: Ed25519PublicKey) -> bool:
    """Whether one of the note's signatures is by this key.

    Raises:
        NoteUnreadable: it is no signed note.
    """
    text, _, _ = note.rpartition("\n\n")
    for name, blob in parse(note)[1]:
        if blob[:4] != key_hash(name, public):
            continue
        try:
            public.verify(blob[4:], f"{text}\n".encode())
        except InvalidSignature:
            continue
        return True
    return False
