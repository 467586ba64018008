"""Dotted paths into nested mappings."""

from collections.abc import MutableMapping
from typing import Any

MAX_CREATED_DEPTH = 2


def split_path(path: str) -> list[str]:
    """The steps of ``path``.

    Raises:
        ValueError: a step is empty.
    """
    steps = path.split(".")
    if not all(steps):
        raise ValueError(f"The path {path!r} has an empty step: write it like 'a.b'")
    return steps


def parent_of(obj: Any, path: str) -> MutableMapping[str, Any]:
    """The mapping that holds the last step of ``path``.

    Raises:
        KeyError: a step on the way is missing or is no mapping; names the step.
    """
    for step in split_path(path)[:-1]:
        if not isinstance(obj, MutableMapping) or step not in obj:
            raise KeyError(step)
        obj = obj[step]
        if not isinstance(obj, MutableMapping):
            raise KeyError(step)
    return obj


def set_value(
    obj: MutableMapping[str, Any],
    path: str,
    value: Any,
    *,
    create_parent: bool = False,
    max_create_depth: int = MAX_CREATED_DEPTH,
) -> None:
    """Set the value at ``path`` in place.

    Raises:
        KeyError: a parent is missing and ``create_parent`` is not set.
        ValueError: parents would have to be made for a path deeper than ``max_create_depth``.
    """
    steps = split_path(path)
    try:
        parent = parent_of(obj, path)
    except KeyError:
        if not create_parent:
            raise
        if len(steps) > max_create_depth:
            raise ValueError(
                f"The path {path!r} is deeper than the {max_create_depth} steps that are made"
            ) from None
        parent = obj
        for step in steps[:-1]:
            following = parent.setdefault(step, {})
            if not isinstance(following, MutableMapping):
                raise
            parent = following
    parent[steps[-1]] = value
