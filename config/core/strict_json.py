"""JSON as our doors take it: no name twice in one object, finite numbers, bounded nesting.

Readers differ in which of two equal names they keep, so that what one program checked is not what
the next one does (RFC 8259, section 4). NaN and Infinity are no JSON at all.
"""

import json
import math
from typing import Any, NoReturn

from config.core.texts import MAX_DEPTH

_NAME_LETTERS = 60


class NameTwice(ValueError):
    """An object names a member twice; the message names it."""


def loads(raw: str | bytes) -> Any:
    """The value in ``raw``.

    Raises:
        NameTwice: an object has a name twice.
        ValueError: it is no JSON, or a number in it is not finite. No message holds a value.
    """
    try:
        return json.loads(
            raw, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise ValueError("the bytes are no UTF-8 text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse(raw: str | bytes) -> Any:
    """As ``loads``, for readers that don't judge the depth themselves.

    Raises:
        NameTwice: as ``loads``.
        ValueError: as ``loads``, or it has more than ``MAX_DEPTH`` levels.
    """
    value = loads(raw)
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            part
            for found in level
            if isinstance(found, dict | list)
            for part in (found.values() if isinstance(found, dict) else found)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise NameTwice(f"the member {_shown(name)} stands twice in one object")
            seen.add(name)
    return found


def _shown(name: str) -> str:
    text = name if len(name) <= _NAME_LETTERS else f"{name[:_NAME_LETTERS]}…"
    # In ASCII: half of a surrogate pair would end the answer that names it.
    return json.dumps(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value
