"""Records as items of a DynamoDB table: typed attributes, strings (S) and numbers (N)."""

import json
from collections.abc import Mapping
from typing import Any

from registry.domain.artifacts import Record

Item = dict[str, dict[str, str]]
NUMBERS = frozenset({"size"})
OBJECTS = frozenset({"scores", "scores_latency"})


def item_of(record: Record) -> Item:
    """``{attribute: {"S": …} or {"N": …}}``; scores and latencies travel as JSON text."""
    return {name: _typed(name, value) for name, value in record.to_dict().items()}


def record_of(item: Mapping[str, Mapping[str, str]]) -> Record:
    """The record of an item that ``item_of`` has written.

    Raises:
        KeyError: the item has no name.
    """
    values: dict[str, Any] = {}
    for name, typed in item.items():
        if name in OBJECTS:
            values[name] = json.loads(typed["S"])
        elif name in NUMBERS:
            values[name] = int(typed["N"])
        elif "S" in typed:
            values[name] = typed["S"]
    return Record.from_dict(values)


def _typed(name: str, value: Any) -> dict[str, str]:
    if name in OBJECTS:
        return {"S": json.dumps(value, sort_keys=True)}
    return {"N": str(value)} if name in NUMBERS else {"S": str(value)}
