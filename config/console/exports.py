"""CSV of any number of rows: sent while it is read, by key, so that memory stays as it is."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from config.core import clock

CHUNK_ROWS = 1000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_response(
    rows: QuerySet[Any],
    *,
    name: str,
    columns: Sequence[str],
    cells: Callable[[Sequence[Any]], Iterable[Sequence[Any]]],
) -> StreamingHttpResponse:
    """The rows, newest first, as a download ``name-<time>.csv``.

    ``cells`` makes the lines of a chunk of rows. Rows that come while it is sent are left out.
    """
    newest = rows.order_by("-pk").values_list("pk", flat=True).first()
    bounded = rows.filter(pk__lte=newest or 0)
    response = StreamingHttpResponse(
        _lines(bounded, columns, cells), content_type="text/csv; charset=utf-8"
    )
    stamp = clock.now().strftime("%Y%m%d-%H%M%S")
    response["Content-Disposition"] = f'attachment; filename="{name}-{stamp}.csv"'
    return response


async def _lines(
    rows: QuerySet[Any],
    columns: Sequence[str],
    cells: Callable[[Sequence[Any]], Iterable[Sequence[Any]]],
) -> AsyncIterator[bytes]:
    """Each chunk is a query of its own: no transaction is held open by a slow reader."""
    yield written([columns])
    last: int | None = None
    while True:
        text, last = await sync_to_async(_chunk)(rows, last, cells)
        if not text:
            return
        yield text


def _chunk(
    rows: QuerySet[Any],
    last: int | None,
    cells: Callable[[Sequence[Any]], Iterable[Sequence[Any]]],
) -> tuple[bytes, int | None]:
    left = rows if last is None else rows.filter(pk__lt=last)
    found = list(left.order_by("-pk")[:CHUNK_ROWS])
    return (written(cells(found)), found[-1].pk) if found else (b"", last)


def written(lines: Iterable[Sequence[Any]]) -> bytes:
    """Lines as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    for line in lines:
        writer.writerow([harmless(value) for value in line])
    return text.getvalue().encode()


def harmless(value: Any) -> str:
    """Text that a spreadsheet does not take for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in _FORMULA_STARTS else text
