"""Canonical events and their hashes."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from compliance.domain.audit_chain import Seal, event_body, event_hash, plain, sealed_bytes


class _Colour(StrEnum):
    RED = "red"


def _body() -> dict[str, object]:
    return event_body(
        uuid="u",
        at="2026-01-01T00:00:00.000000Z",
        actor={"name": "a"},
        action="x.y",
        object_type="t",
        object_id="1",
        object_rev="",
        diff={"state": [None, _Colour.RED]},
        reason="",
        request_id="",
        app_version="1",
    )


def test_the_hash_covers_content_place_and_predecessor() -> None:
    seal = Seal(sequence=7, previous_hash="ab", sealed_at="s")
    data = sealed_bytes(_body(), seal)
    assert b'"prev":"ab"' in data and b'"seq":7' in data and b'["x"' not in data
    assert event_hash(_body(), seal) == hashlib.sha256(b"\x00" + data).hexdigest()
    for other in (
        Seal(sequence=8, previous_hash="ab", sealed_at="s"),
        Seal(sequence=7, previous_hash="ac", sealed_at="s"),
        Seal(sequence=7, previous_hash="ab", sealed_at="t"),
    ):
        assert event_hash(_body(), other) != event_hash(_body(), seal)


def test_values_become_text_without_floats() -> None:
    given = {
        "when": datetime(2026, 1, 1, tzinfo=UTC),
        "share": 0.5,
        "price": Decimal("1.20"),
        "id": UUID(int=1),
        "colour": _Colour.RED,
        "names": {"b", "a"},
        "odd": "a\x00b\ud800",
        "yes": True,
    }
    assert plain(given) == {
        "when": "2026-01-01T00:00:00+00:00",
        "share": "0.5",
        "price": "1.20",
        "id": "00000000-0000-0000-0000-000000000001",
        "colour": "red",
        "names": ["a", "b"],
        "odd": "a\ufffdb?",
        "yes": True,
    }


def test_a_value_without_one_text_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no place"):
        plain({"x": object()})
