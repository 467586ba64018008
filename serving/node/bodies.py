"""Request bodies of the node's routes, checked and typed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request

from config.core import strict_json
from config.core.digests import WHOLE_SHA256
from serving.engines.base import GenerateRequest
from serving.engines.errors import RequestInvalid
from serving.node.permits import PURPOSES, LeaseKey, Purpose
from serving.node.problems import BodyTooLarge

MAX_BODY_BYTES = 4 << 20
MAX_TTL_SECONDS = 86_400.0
MAX_STOPS = 16
BASE_NAME = "base"


@dataclass(frozen=True, slots=True)
class GenerateBody:
    """What ``POST generate`` asks for; ``name`` None is the base."""

    request: GenerateRequest
    purpose: Purpose
    run: str | None


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body.

    Raises:
        BodyTooLarge: it has more than ``MAX_BODY_BYTES``.
        RequestInvalid: it is no JSON object.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        body = strict_json.parse(bytes(raw))
    except ValueError as error:
        raise RequestInvalid(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestInvalid("the body is not a JSON object")
    return body


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise RequestInvalid(f"{key} should be a text")
    return value


def _optional_text(body: Mapping[str, Any], key: str) -> str | None:
    return None if body.get(key) is None else _text(body, key)


def _number(body: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RequestInvalid(f"{key} should be a number from {low:g} to {high:g}")
    return float(value)


def _whole(body: Mapping[str, Any], key: str, low: int, high: int) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestInvalid(f"{key} should be a whole number from {low} to {high}")
    return value


def parse_lease(body: Mapping[str, Any], *, name: str, digest: str) -> tuple[LeaseKey, float]:
    """Key and ttl in seconds of one lease object."""
    purpose = body.get("purpose")
    if purpose not in PURPOSES:
        raise RequestInvalid(f"purpose should be one of {', '.join(PURPOSES)}")
    ttl_seconds = _number(body, "ttl_seconds", 0, MAX_TTL_SECONDS)
    if ttl_seconds is None or not math.isfinite(ttl_seconds):
        raise RequestInvalid("ttl_seconds should be a number of seconds")
    return LeaseKey(name, digest, purpose, _optional_text(body, "run")), ttl_seconds


def parse_replica(body: Mapping[str, Any], *, name: str) -> tuple[str, Path, Any]:
    """Digest, folder and (key, ttl) or None of ``PUT replicas/{name}``."""
    digest, path = _text(body, "digest"), Path(_text(body, "path"))
    if not path.is_absolute():
        raise RequestInvalid("path should be an absolute folder on this node")
    lease = body.get("lease")
    if lease is None:
        return digest, path, None
    if not isinstance(lease, dict):
        raise RequestInvalid("lease should be an object or null")
    return digest, path, parse_lease(lease, name=name, digest=digest)


def parse_leases(
    body: Mapping[str, Any],
) -> tuple[list[tuple[LeaseKey, float]], float | None]:
    """Key and ttl of each lease in ``PUT leases``, and the moment that they count from."""
    leases = body.get("leases")
    if not isinstance(leases, list) or not all(isinstance(item, dict) for item in leases):
        raise RequestInvalid("leases should be a list of objects")
    parsed = [
        parse_lease(item, name=_text(item, "name"), digest=_text(item, "digest")) for item in leases
    ]
    return parsed, _number(body, "counted_from_seconds", 0, math.inf)


def parse_stops(body: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Epoch and digests of ``PUT stops``."""
    epoch = _whole(body, "epoch", 0, 2**63)
    digests = body.get("digests")
    if epoch is None:
        raise RequestInvalid("epoch should be a whole number")
    if not isinstance(digests, list) or not all(
        isinstance(item, str) and WHOLE_SHA256.fullmatch(item) for item in digests
    ):
        raise RequestInvalid("digests should be a list of 64 lower-case hex characters each")
    return epoch, digests


def parse_generate(body: Mapping[str, Any]) -> GenerateBody:
    """The request in ``POST generate``."""
    name = _text(body, "name")
    purpose = body.get("purpose", "serve")
    if purpose not in PURPOSES:
        raise RequestInvalid(f"purpose should be one of {', '.join(PURPOSES)}")
    if (body.get("messages") is None) == (body.get("prompt") is None):
        raise RequestInvalid("give either messages or prompt")
    return GenerateBody(
        request=GenerateRequest(
            name=None if name == BASE_NAME else name,
            messages=_messages(body),
            prompt=_optional_text(body, "prompt"),
            max_tokens=_whole(body, "max_tokens", 1, 1_000_000),
            temperature=_number(body, "temperature", 0, 2),
            top_p=_number(body, "top_p", 0, 1),
            stop=_stops(body.get("stop")),
            seed=_whole(body, "seed", -(2**63), 2**63 - 1),
            want_margins=body.get("margins") is True,
        ),
        purpose=purpose,
        run=_optional_text(body, "run"),
    )


def _messages(body: Mapping[str, Any]) -> tuple[dict[str, str], ...] | None:
    messages = body.get("messages")
    if messages is None:
        return None
    if not isinstance(messages, list) or not messages:
        raise RequestInvalid("messages should be a list with at least one message")
    for message in messages:
        if not isinstance(message, dict) or not all(
            isinstance(message.get(key), str) for key in ("role", "content")
        ):
            raise RequestInvalid("each message should be an object of role and content")
    return tuple({"role": item["role"], "content": item["content"]} for item in messages)


def _stops(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(item, str) and item for item in stops)
    ):
        raise RequestInvalid(f"stop should be a text or a list of at most {MAX_STOPS}")
    return tuple(stops)
