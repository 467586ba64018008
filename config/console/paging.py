"""Pages by key: a page costs the same however deep it lies, and stands in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

from config.console.asked import is_key

SIZE = 50


@dataclass(frozen=True)
class KeyPage:
    """Rows, newest first; ``older`` is the query string of the next page, empty on the last."""

    rows: list[Any]
    older: str
    newest: str


def key_page(rows: QuerySet[Any], query: Mapping[str, str], *, size: int = SIZE) -> KeyPage:
    """The rows before the key in ``query["before"]``."""
    before = str(query.get("before", ""))
    kept = {key: value for key, value in query.items() if key != "before" and value}
    if is_key(before):
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: size + 1])
    older = ""
    if len(found) > size:
        found = found[:size]
        older = urlencode({**kept, "before": found[-1].pk})
    return KeyPage(found, older, urlencode(kept) if before else "")
