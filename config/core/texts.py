"""Which texts can be stored: PostgreSQL takes no NUL, and UTF-8 knows no lone surrogate."""

from collections.abc import Mapping
from typing import Any


def unstorable(value: Any) -> str:
    """Why some text inside ``value`` (text, mappings, lists) can't be stored; empty if all can."""
    if isinstance(value, str):
        if "\x00" in value:
            return "holds the character U+0000, which can't be stored"
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            return "holds half of a surrogate pair (U+D800-U+DFFF)"
    elif isinstance(value, Mapping):
        return next((why for pair in value.items() for why in map(unstorable, pair) if why), "")
    elif isinstance(value, list | tuple):
        return next((why for why in map(unstorable, value) if why), "")
    return ""
