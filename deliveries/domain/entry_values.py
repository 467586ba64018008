"""What the fields of an entry may hold, beyond their types and lengths."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

FORBIDDEN_IN_NAMES = "<>:"
MAX_WEIGHT = 100.0
MAX_TAGS = 50
MAX_TAG = 100
MAX_NAME = 200
MAX_ORDINAL = 2**31 - 1
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Fault:
    """A field that can't hold what was given, and why."""

    field: str
    message: str


def faults(values: Mapping[str, Any]) -> list[Fault]:
    """Everything that is wrong with ``values``; fields that are not given are not looked at."""
    found: list[Fault] = []
    for field, check in _CHECKS.items():
        if values.get(field) is not None:
            found += [Fault(field, message) for message in check(values[field])]
    return found


def clean_tags(tags: Sequence[str]) -> list[str]:
    """The tags without blanks around them, each once, in their order."""
    return list(dict.fromkeys(tag.strip() for tag in tags))


def is_uuid(text: str) -> bool:
    """Whether ``text`` could be taken for the id of an entry."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _name(name: str) -> Iterator[str]:
    if not name.strip() or len(name) > MAX_NAME:
        yield f"A name has 1 to {MAX_NAME} characters."
    if wrong := sorted(set(name) & set(FORBIDDEN_IN_NAMES)):
        yield f"A name can't hold {' '.join(wrong)}: it would break the token in a prompt."
    if name != name.strip() or not name.isprintable():
        yield "A name has no blanks around it and no line breaks or control characters in it."
    if is_uuid(name):
        yield "A name can't look like a UUID: it would be taken for an id."


def _namespace(namespace: str) -> Iterator[str]:
    if not NAMESPACE.fullmatch(namespace):
        yield "A namespace is of 1 to 63 lower-case letters, digits and hyphens."


def _weight(weight: float) -> Iterator[str]:
    if not math.isfinite(weight) or abs(weight) > MAX_WEIGHT:
        yield f"A weight is a number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}."


def _ordinal(ordinal: int) -> Iterator[str]:
    if abs(ordinal) > MAX_ORDINAL:
        yield f"An ordinal is a whole number from {-MAX_ORDINAL} to {MAX_ORDINAL}."


def _confidence(share: float) -> Iterator[str]:
    if not 0 <= share <= 1:
        yield "A confidence is a number from 0 to 1."


def _tags(tags: Sequence[str]) -> Iterator[str]:
    cleaned = clean_tags(tags)
    if len(cleaned) > MAX_TAGS or any(not tag or len(tag) > MAX_TAG for tag in cleaned):
        yield f"Tags are at most {MAX_TAGS} words of 1 to {MAX_TAG} characters."


def _preview(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.hostname) and parts.path not in {"", "/"}
    except ValueError:
        is_whole = False
    if not is_whole or parts.scheme not in {"https", "s3"}:
        yield "A preview is https://… or s3://bucket/key."
    elif parts.username or parts.password or parts.query or parts.fragment:
        # The mirror is read outside: a token in an address would leave the house with it.
        yield "A preview's address carries no account, query or fragment; s3:// ones are signed."


_CHECKS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "name": _name,
    "namespace": _namespace,
    "weight": _weight,
    "ordinal": _ordinal,
    "archetype_confidence": _confidence,
    "tags": _tags,
    "preview_url": _preview,
}
