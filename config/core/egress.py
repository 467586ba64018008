"""The one way out: every call to another machine's HTTP goes through here, under EGRESS_ALLOW."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

from config.core.egress_calls import Answer, Egress, EgressFailed, EgressRefused
from config.core.egress_rules import Rules, Target

__all__ = [
    "Answer",
    "Egress",
    "EgressFailed",
    "EgressRefused",
    "Target",
    "current",
    "post",
    "post_json",
    "require_callable",
]


@lru_cache(maxsize=8)
def _egress(entries: tuple[str, ...]) -> Egress:
    return Egress(Rules.parse(entries))


def current() -> Egress:
    """The calls that the settings allow now."""
    entries: Sequence[str] = settings.EGRESS_ALLOW
    return _egress(tuple(entries))


def require_callable(url: str) -> Target:
    """The target of ``url``, refused where it is known before any call that it is not allowed.

    Raises:
        EgressRefused: the URL is malformed, or nothing that is listed could be meant.
    """
    return current().require_callable(url)


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    max_bytes: int,
) -> Answer:
    """POST bytes; no redirect is followed, and any status is an answer.

    Raises:
        EgressRefused: the target is not allowed.
        EgressFailed: it gave no usable answer in time.
    """
    return current().post(
        url, body=body, headers=headers, timeout_seconds=timeout_seconds, max_bytes=max_bytes
    )


def post_json(
    url: str,
    body: Any,
    headers: Mapping[str, str],
    timeout_seconds: float,
    max_bytes: int,
) -> Answer:
    """POST ``body`` as JSON; otherwise as ``post``."""
    return post(
        url,
        body=json.dumps(body, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json", **headers},
        timeout_seconds=timeout_seconds,
        max_bytes=max_bytes,
    )
