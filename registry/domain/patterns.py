"""A bound on the work of a regular expression that came with somebody's file."""

import math
import re
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MAX_PATTERN_CHARS = 2000
MAX_COST_BITS = 26.0
"""Log2 of the ways to try a match: four ``.*`` in a row on a module name cost 24."""

_NAME_CHARS = 64
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)


class _LooseRepeat(Exception):
    pass


def pattern_problem(pattern: str) -> str | None:
    """Why ``pattern`` may not be run on module names, in words; None when it may.

    Python's matcher has no time limit, and ``(a+)+`` or ``(.|..)+`` take for ever on forty
    characters. So what stands inside a repeat must match in one way only, and the choices in a row
    are counted.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"it is {len(pattern)} characters long, {MAX_PATTERN_CHARS} are allowed"
    try:
        cost_bits = _cost_bits(parser.parse(pattern))
    except re.error as error:
        return f"it is no regular expression: {error}"
    except (_LooseRepeat, RecursionError):
        return "what it repeats can match in more than one way, so matching could take for ever"
    except OverflowError:
        return "a repeat count is too large"
    if cost_bits > MAX_COST_BITS:
        return "it has too many repeats and choices in a row"
    return None


def _cost_bits(tree: Any) -> float:
    return sum(_item_bits(op, argument) for op, argument in tree)


def _item_bits(op: Any, argument: Any) -> float:
    if op in _REPEATS:
        return _repeat_bits(*argument)
    if op is ops.BRANCH:
        branches = argument[1]
        if all(kind is ops.LITERAL for branch in branches for kind, _ in branch):
            return 0.0
        return math.log2(sum(2 ** _cost_bits(branch) for branch in branches))
    if op is ops.SUBPATTERN:
        return _cost_bits(argument[-1])
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        return _cost_bits(argument[1])
    if op is ops.ATOMIC_GROUP:
        return _cost_bits(argument)
    if op is ops.GROUPREF_EXISTS:
        return sum(_cost_bits(branch) for branch in argument[1:] if branch)
    return 0.0


def _repeat_bits(low: int, high: int, body: Any) -> float:
    body_bits = _cost_bits(body)
    if high >= 2:
        narrowest, widest = body.getwidth()
        if narrowest != widest or body_bits > 0:
            raise _LooseRepeat
    return body_bits + math.log2(min(int(high) - low + 1, _NAME_CHARS))
