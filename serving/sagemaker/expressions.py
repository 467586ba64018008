"""JMESPath expressions: header names without quotes, and all that can be refused early."""

import re
from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult

# Quoted names, raw strings and literals stay as they are; only the last branch has a group.
_TOKENS = re.compile(
    r"""
    "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `(?:\\.|[^`\\])*`
    | (?<![\w."])headers\.([A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+)
    """,
    re.X,
)


def quote_headers(expression: str) -> str:
    """``headers.X-Name`` as ``headers."X-Name"``: JMESPath takes no hyphen in a bare name."""

    def quoted(match: re.Match[str]) -> str:
        return f'headers."{match[1]}"' if match[1] else match[0]

    return _TOKENS.sub(quoted, expression)


def compile_expression(expression: str, *, key: str) -> ParsedResult:
    """``expression`` compiled; ``key`` is where it stands in its shape.

    Raises:
        ValueError: it is no JMESPath, or calls a function that does not exist or wrongly.
    """
    try:
        compiled = jmespath.compile(quote_headers(expression))
    except JMESPathError as error:
        raise ValueError(f"Invalid JMESPath in '{key}': {error}") from error
    for node in _nodes(compiled.parsed):
        if node["type"] == "function_expression":
            _check_call(node, key=key)
    return compiled


def root_of(compiled: ParsedResult) -> str | None:
    """The first name that an expression reads; None where it reads none."""
    node = compiled.parsed
    while node["type"] != "field":
        if not node["children"]:
            return None
        node = node["children"][0]
    return str(node["value"])


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and "type" in node:
        yield node
        for child in node.get("children", ()):
            yield from _nodes(child)


def _check_call(node: dict[str, Any], *, key: str) -> None:
    name, given = node["value"], len(node["children"])
    if name not in Functions.FUNCTION_TABLE:
        raise ValueError(f"Invalid JMESPath in '{key}': there is no function {name}()")
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    is_open = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) or (given > len(signature) and not is_open):
        raise ValueError(
            f"Invalid JMESPath in '{key}': {name}() takes {len(signature)} arguments, not {given}"
        )
