"""State machines as tables: which move is allowed, and the compare-and-set that makes it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.db import models

from config.core.errors import Conflict

Transitions = Mapping[StrEnum, frozenset[StrEnum]]


def check_move(table: Transitions, current: StrEnum, to: StrEnum) -> None:
    """Refuse a move that the table does not list.

    Raises:
        Conflict: with the current state and the moves that it allows.
    """
    allowed = table.get(current, frozenset())
    if to not in allowed:
        names = ", ".join(sorted(allowed)) or "nothing: it is a final state"
        raise Conflict(
            f"It is {current} and can't become {to}.", fix=f"From {current} it can become {names}."
        )


def move(
    row: models.Model, *, table: Transitions, to: StrEnum, field: str = "state", **values: Any
) -> None:
    """Move ``row`` to state ``to`` by compare-and-set on its current state, writing ``values`` too.

    Raises:
        Conflict: the table forbids the move, or somebody else moved the row first.
    """
    current = type(to)(getattr(row, field))
    check_move(table, current, to)
    changed = (
        type(row)
        ._default_manager.filter(pk=row.pk, **{field: current})
        .update(**{field: to, **values})
    )
    if not changed:
        raise Conflict(
            f"It was {current} a moment ago and has been changed by somebody else.",
            fix="Look at it again and repeat what you still want.",
        )
    setattr(row, field, to)
    for name, value in values.items():
        setattr(row, name, value)
