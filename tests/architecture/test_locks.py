"""Rows are locked so that a row that only points at them is not held up."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("config", "registry", "compliance", "serving", "deliveries")
DELETING = {"registry/services/garbage.py", "registry/services/backup_retention.py"}
"""Who deletes the locked row needs the stronger lock."""


def weak(source: str) -> list[int]:
    """The lines of calls that lock a row's key, too."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "select_for_update"
        and not any(word.arg == "no_key" for word in node.keywords)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_a_lock_leaves_the_key_free(room: str) -> None:
    """A foreign key is checked at the commit, when all other locks are held already.

    A full lock on the row that it points at would then be the second half of a deadlock.
    """
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / room).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in DELETING
        for line in weak(path.read_text())
    }
    assert not found, f"add no_key=True: {sorted(found)}"


def test_a_full_lock_would_be_found() -> None:
    assert weak("rows.select_for_update().get(pk=1)") == [1]
    assert weak("rows.select_for_update(of=('self',), no_key=True)") == []
