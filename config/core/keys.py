"""The three keys (data, signature, log): files of mode 0600 under FORMULARY_HOME/keys.

The log key differs from the signature key, so that who can sign can't rewrite the trail's
checkpoints, and neither opens the encrypted texts.
"""

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings


def _read_or_create(path: Path, make: bytes) -> bytes:
    """The bytes of ``path``; created with ``make`` first, atomically, if it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(make)
            os.fsync(stream.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            beside.unlink()
        return path.read_bytes()


def _folder() -> Path:
    return Path(settings.FORMULARY_HOME) / "keys"


@lru_cache(maxsize=8)
def _fernet(folder: Path) -> Fernet:
    return Fernet(_read_or_create(folder / "data.key", Fernet.generate_key()))


@lru_cache(maxsize=8)
def _ed25519(folder: Path, name: str) -> Ed25519PrivateKey:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key = serialization.load_pem_private_key(
        _read_or_create(folder / f"{name}.key", pem), password=None
    )
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{name}.key holds another kind of key than Ed25519")
    return key


def encrypt(text: str) -> bytes:
    """``text`` under the data key (Fernet: AES-128-CBC with HMAC-SHA256)."""
    return _fernet(_folder()).encrypt(text.encode())


def decrypt(token: bytes) -> str:
    """The text of ``encrypt``."""
    return _fernet(_folder()).decrypt(bytes(token)).decode()


def signature_key() -> Ed25519PrivateKey:
    """The server's key under each signature."""
    return _ed25519(_folder(), "signature")


def log_key() -> Ed25519PrivateKey:
    """The key under the audit trail's checkpoints."""
    return _ed25519(_folder(), "log")


def public_bytes(key: Ed25519PublicKey) -> bytes:
    """The 32 raw bytes of a public key."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(key: Ed25519PublicKey) -> str:
    """First 8 hex of the SHA-256 of the public key: how people compare keys."""
    return hashlib.sha256(public_bytes(key)).hexdigest()[:8]


@lru_cache(maxsize=8)
def _mac_key(folder: Path, purpose: str) -> bytes:
    data_key = _read_or_create(folder / "data.key", Fernet.generate_key())
    return hmac.new(data_key, f"formulary/{purpose}".encode(), hashlib.sha256).digest()


def keyed_hash(purpose: str, data: bytes) -> bytes:
    """HMAC-SHA256 of ``data`` under a key derived from the data key for ``purpose``."""
    return hmac.new(_mac_key(_folder(), purpose), data, hashlib.sha256).digest()
