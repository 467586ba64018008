"""The payload of a signature, and how a stored signature is verified against it."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from config.core.digests import canonical_json, sha256_hex

PAYLOAD_SCHEMA = 1


def payload_bytes(fields: Mapping[str, Any]) -> bytes:
    """The canonical JSON that the server signs."""
    return canonical_json({"payload_schema": PAYLOAD_SCHEMA, **fields})


def server_signature(payload: bytes, key: Ed25519PrivateKey) -> str:
    """Base64 of the Ed25519 signature over ``payload``."""
    return base64.b64encode(key.sign(payload)).decode()


def faults(
    *,
    payload: str,
    payload_sha256: str,
    server_signature: str,
    public: Ed25519PublicKey,
    columns: Mapping[str, Any],
    record_sha256: str,
    previous_payload_sha256: str,
) -> list[str]:
    """What is wrong with a stored signature; empty when it holds.

    ``columns``: the row's own members by their names in the payload; ``record_sha256``: of the
    record under which the row is found; ``previous_payload_sha256``: of the row before it there.
    """
    found = []
    data = payload.encode()
    if sha256_hex(data) != payload_sha256:
        found.append("its payload is not the one that was hashed")
    try:
        public.verify(base64.b64decode(server_signature, validate=True), data)
    except (InvalidSignature, binascii.Error):
        found.append("the server's signature does not verify")
    try:
        fields = json.loads(payload)
    except ValueError:
        return [*found, "its payload is no JSON"]
    found += [
        f"{name} is {value!r} in the row and {fields.get(name)!r} in what was signed"
        for name, value in columns.items()
        if fields.get(name) != value
    ]
    if fields.get("record_sha256") != record_sha256:
        found.append("it was given under another record")
    if fields.get("previous_payload_sha256") != previous_payload_sha256:
        found.append("it does not follow the signature before it")
    return found
