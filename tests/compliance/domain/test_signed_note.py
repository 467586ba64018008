"""Checkpoints as signed notes."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance.domain.signed_note import (
    NoteUnreadable,
    TreeHead,
    is_signed_by,
    key_hash,
    parse,
    sign,
)

HEAD = TreeHead("example.org/log", 1234, bytes(range(32)))


def test_a_note_reads_back_and_verifies() -> None:
    key = Ed25519PrivateKey.generate()
    note = sign(HEAD, name="example.org/log", key=key)
    assert note.startswith("example.org/log\n1234\nAAECAwQF")
    assert note.endswith("\n")
    head, lines = parse(note)
    assert head == HEAD
    assert lines[0][0] == "example.org/log"
    assert is_signed_by(note, public=key.public_key())


def test_the_key_hash_is_that_of_go_sumdb() -> None:
    """sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8, as Go publishes it."""
    raw = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    public = Ed25519PublicKey.from_public_bytes(raw)
    assert key_hash("sum.golang.org", public).hex() == "033de0ae"


@pytest.mark.parametrize("old, new", [("1234", "1235"), ("AAEC", "AAED"), ("example", "exbmple")])
def test_a_changed_note_does_not_verify(old: str, new: str) -> None:
    key = Ed25519PrivateKey.generate()
    note = sign(HEAD, name="log", key=key).replace(old, new, 1)
    assert not is_signed_by(note, public=key.public_key())


def test_another_key_does_not_verify() -> None:
    note = sign(HEAD, name="log", key=Ed25519PrivateKey.generate())
    assert not is_signed_by(note, public=Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize(
    "note", ["", "a\nb\nc\n\n", "a\n1\nAAAA\n\n\u2014 log AAAA\n", "a\n1\n!\n\n\u2014 log !\n", "x"]
)
def test_what_is_no_note_is_unreadable(note: str) -> None:
    with pytest.raises(NoteUnreadable):
        parse(note)
