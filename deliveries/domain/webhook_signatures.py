"""How a webhook's body is signed, and how its receiver checks that it came from here and now."""

import hashlib
import hmac
import re
import secrets

HEADER = "X-Formulary-Signature"
TOLERANCE_SECONDS = 300
_FORM = re.compile(r"t=(?P<at>\d{1,12}),v1=(?P<mac>[0-9a-f]{64})")


def new_secret() -> str:
    """A secret with 256 bits of chance."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def sign(*, secret: str, body: bytes, at_seconds: int) -> str:
    """The header's value: HMAC-SHA256 over ``<at_seconds>.<body>``; time in Unix seconds."""
    return f"t={at_seconds},v1={_mac(secret, body, at_seconds)}"


def is_genuine(*, secret: str, body: bytes, header: str, now_seconds: int) -> bool:
    """What a receiver asks: signed with our secret, not long ago."""
    match = _FORM.fullmatch(header)
    if match is None:
        return False
    at_seconds = int(match["at"])
    is_fresh = abs(now_seconds - at_seconds) <= TOLERANCE_SECONDS
    return hmac.compare_digest(match["mac"], _mac(secret, body, at_seconds)) and is_fresh


def _mac(secret: str, body: bytes, at_seconds: int) -> str:
    signed = f"{at_seconds}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
