"""Which values can be stored: no NUL in PostgreSQL, no lone surrogate in UTF-8, no endless nest."""

from collections.abc import Iterator, Mapping
from typing import Any

# Far more than any body of ours needs, far less than a JSON reader or writer bears.
MAX_DEPTH = 64
MAX_PLACE_LETTERS = 200


def unstorable(value: Any) -> str:
    """Why some text inside ``value`` (text, mappings, lists) can't be stored; empty if all can."""
    return find_unstorable(value)[1]


def find_unstorable(value: Any) -> tuple[str, str]:
    """Where (a pointer such as ``/items/3``) and why ``value`` can't be stored; empty if it can.

    Never recurses: a value nested without end is a finding, not the end of the process.
    """
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        place, depth, found = waiting.pop()
        if isinstance(found, str):
            if why := _fault_of(found):
                return place, why
        elif isinstance(found, Mapping | list | tuple):
            if depth >= MAX_DEPTH:
                return place, f"is nested more than {MAX_DEPTH} levels deep"
            for name, part in _parts(found):
                if why := _fault_of(name):
                    return place, f"has a name that {why}"
                waiting.append((_below(place, name), depth + 1, part))
    return "", ""


def made_storable(text: str) -> str:
    """``text`` with a mark in place of each letter that can't be stored."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _parts(found: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    pairs = found.items() if isinstance(found, Mapping) else enumerate(found)
    for name, part in pairs:
        yield str(name), part


def _below(place: str, name: str) -> str:
    return f"{place}/{name}"[:MAX_PLACE_LETTERS]


def _fault_of(text: str) -> str:
    if "\x00" in text:
        return "holds the character U+0000, which can't be stored"
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds half of a surrogate pair (U+D800-U+DFFF)"
    return ""
