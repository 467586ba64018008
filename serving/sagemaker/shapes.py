"""Shapes: mappings from the fields of one side to expressions on the other."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from serving.sagemaker.expressions import compile_expression, root_of
from serving.sagemaker.requests import Headers, Request
from serving.sagemaker.responses import Response

log = logging.getLogger(__name__)

Shape = Mapping[str, Any]
CompiledShape = dict[str, Any]
REQUEST_ROOTS = ("body", "headers", "query_params", "path_params")
RESPONSE_ROOTS = ("body", "headers", "status_code")


class ShapeMismatch(ValueError):
    """An expression asks for another type than it found; names the key, never the value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"'{key}' can't be made: a value has another type than its rule needs")
        self.key = key


@dataclass(frozen=True, slots=True)
class Leaf:
    """One expression and the dotted place where it stands in its shape."""

    key: str
    compiled: ParsedResult

    def search(self, source: Any) -> Any:
        """What the expression finds; None where nothing is there.

        Raises:
            ShapeMismatch: a function was given a type that it does not take.
        """
        try:
            found = self.compiled.search(source)
        except JMESPathError:
            # Its text repeats the value.
            raise ShapeMismatch(self.key) from None
        return dict(found) if isinstance(found, Headers) else found


def validate_shape(
    shape: Any,
    *,
    name: str = "request_shape",
    required: Sequence[str] = (),
    nested: Sequence[str] = (),
) -> None:
    """Refuse a shape that can't work; for convenience functions, before they make a decorator.

    Raises:
        ValueError: it is no mapping, lacks a field of ``required``, or holds something else than
            a mapping in a field of ``nested``.
    """
    if not isinstance(shape, Mapping):
        raise ValueError(f"{name} must be a dictionary of fields and JMESPath expressions")
    for field in required:
        if field not in shape:
            raise ValueError(
                f"{name} must contain '{field}': add it with the JMESPath expression of its value"
            )
    for field in nested:
        if field in shape and not isinstance(shape[field], Mapping):
            raise ValueError(f"{name}['{field}'] must be a dictionary")


def compile_shape(shape: Shape, *, name: str = "request_shape", inside: str = "") -> CompiledShape:
    """``shape`` with every text leaf compiled; other leaves are left out with a warning.

    Raises:
        ValueError: it is no mapping, a key is no text, or an expression is faulty.
    """
    validate_shape(shape, name=name)
    compiled: CompiledShape = {}
    for key, leaf in shape.items():
        if not isinstance(key, str):
            raise ValueError(f"{name} must have texts as keys, not {type(key).__name__}")
        where = f"{inside}.{key}" if inside else key
        if isinstance(leaf, Mapping):
            compiled[key] = compile_shape(leaf, name=name, inside=where)
        elif isinstance(leaf, str):
            compiled[key] = Leaf(where, compile_expression(leaf, key=where))
        else:
            log.warning(
                "%s['%s'] is no expression but a %s and is not used",
                name,
                where,
                type(leaf).__name__,
            )
    return compiled


def leaves_of(compiled: CompiledShape) -> list[Leaf]:
    """Every leaf, nested ones included."""
    found: list[Leaf] = []
    for value in compiled.values():
        found += leaves_of(value) if isinstance(value, dict) else [value]
    return found


def _fill(compiled: CompiledShape, search: Callable[[Leaf], Any]) -> dict[str, Any]:
    return {
        key: _fill(value, search) if isinstance(value, dict) else search(value)
        for key, value in compiled.items()
    }


def request_source(body: Mapping[str, Any] | None, request: Request) -> dict[str, Any]:
    """What the expressions of a request shape read."""
    return {
        "body": body,
        "headers": request.headers,
        "query_params": request.query_params,
        "path_params": request.path_params,
    }


def shape_request(
    compiled: CompiledShape, body: Mapping[str, Any] | None, request: Request
) -> dict[str, Any]:
    """The engine's fields, and no others; what is not found is None.

    Raises:
        ShapeMismatch: a function was given a type that it does not take.
    """
    source = request_source(body, request)
    return _fill(compiled, lambda leaf: leaf.search(source))


def shape_response(compiled: CompiledShape, response: Response) -> dict[str, Any]:
    """The outward fields; what is not found is None.

    An expression that starts with ``body``, ``headers`` or ``status_code`` reads these; any other
    reads the body, and only where nothing is there the three.

    Raises:
        ShapeMismatch: a function was given a type that it does not take.
    """
    body = response.data
    source = {"body": body, "headers": response.headers, "status_code": response.status_code}

    def search(leaf: Leaf) -> Any:
        if root_of(leaf.compiled) in RESPONSE_ROOTS:
            return leaf.search(source)
        found = leaf.search(body)
        return leaf.search(source) if found is None else found

    return _fill(compiled, search)
