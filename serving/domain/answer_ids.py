"""Answer ids that say which version gave the answer, and that nobody else can make."""

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from config.core.errors import NotFound
from serving.states import Arm

Mac = Callable[[bytes], bytes]

PREFIX = "ans_"
NONCE_BYTES = 9
MAC_BYTES = 12
MAX_CHARS = 80
FORMAT = 1
_ARMS = (Arm.STABLE, Arm.CANARY)
_MAX_NUMBER = (1 << 42) - 1  # six groups of seven bits: no id is longer than MAX_CHARS


class AnswerUnknown(NotFound):
    """The answer id was not made here, or names something that is gone."""

    code = "answer_unknown"
    title = "There is no such answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerId:
    """What an answer id holds. ``rollout_pk`` and ``version_pk`` are 0 where there is none."""

    deployment_pk: int
    rollout_pk: int
    arm: Arm
    stage: int
    version_pk: int
    issued_at_seconds: int
    nonce: bytes


def encode(answer: AnswerId, *, mac: Mac) -> str:
    """``ans_`` and 40 to 70 URL-safe letters, the last 16 of them an HMAC over the rest.

    Raises:
        ValueError: a number is negative or above 2⁴², or the nonce has another length.
    """
    numbers = (
        answer.deployment_pk,
        answer.rollout_pk,
        answer.stage,
        answer.version_pk,
        answer.issued_at_seconds,
    )
    if len(answer.nonce) != NONCE_BYTES or not all(0 <= n <= _MAX_NUMBER for n in numbers):
        raise ValueError("an answer id can't hold these values")
    head = FORMAT << 1 | _ARMS.index(answer.arm)
    body = bytes([head]) + answer.nonce + b"".join(_packed(number) for number in numbers)
    return PREFIX + base64.urlsafe_b64encode(body + mac(body)[:MAC_BYTES]).decode().rstrip("=")


def decode(text: str, *, mac: Mac) -> AnswerId:
    """What ``encode`` was given.

    Raises:
        AnswerUnknown: ``text`` is not an id that was made with this ``mac``.
    """
    raw = _bytes_of(text)
    body, seal = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if not hmac.compare_digest(seal, mac(body)[:MAC_BYTES]) or len(body) < 1 + NONCE_BYTES:
        raise _unknown()
    numbers = _unpacked(body[1 + NONCE_BYTES :])
    if body[0] >> 1 != FORMAT or len(numbers) != 5:
        raise _unknown()
    deployment_pk, rollout_pk, stage, version_pk, issued_at_seconds = numbers
    return AnswerId(
        deployment_pk=deployment_pk,
        rollout_pk=rollout_pk,
        arm=_ARMS[body[0] & 1],
        stage=stage,
        version_pk=version_pk,
        issued_at_seconds=issued_at_seconds,
        nonce=body[1 : 1 + NONCE_BYTES],
    )


def _unknown() -> AnswerUnknown:
    return AnswerUnknown(
        "This answer id was not issued here.",
        fix="Send the id from the X-Formulary-Answer header or from system_fingerprint unchanged.",
    )


def _bytes_of(text: str) -> bytes:
    letters = text.removeprefix(PREFIX)
    if len(letters) == len(text) or len(text) > MAX_CHARS or not letters.isascii():
        raise _unknown()
    try:
        raw = base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _unknown() from error
    # Only one spelling of each id: unused low bits of the last letter must be zero.
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != letters:
        raise _unknown()
    return raw


def _packed(number: int) -> bytes:
    """Little-endian groups of seven bits; the high bit says that another one follows."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _unpacked(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
