"""The filters in a page's address; what is no filter, or no value of one, is told on the page."""

from collections.abc import Callable, Collection, Mapping
from datetime import MAXYEAR, datetime

from django.http import QueryDict
from django.utils.translation import gettext as _

_SHOWN_LETTERS = 60
# What a filter may be: one of some values, what passes a test, or any text.
Filter = Collection[str] | Callable[[str], bool] | None


def is_key(text: str) -> bool:
    """Whether this is a row's key, as the addresses of further pages hold it."""
    return text.isascii() and text.isdigit() and len(text) < 19


def is_day(text: str) -> bool:
    """Whether this is a day such as 2026-11-21."""
    try:
        # The day after it is asked for too.
        return datetime.fromisoformat(text).year < MAXYEAR
    except ValueError:
        return False


def read_query(given: QueryDict, filters: Mapping[str, Filter]) -> tuple[dict[str, str], list[str]]:
    """The filters that hold, and a sentence on each that is left out. Empty ones ask nothing."""
    query: dict[str, str] = {}
    notices: list[str] = []
    for name, value in given.items():
        text = str(value)
        if not text:
            continue
        if name not in filters:
            notices.append(
                _("This page knows no filter “%(name)s”; it is left out. It knows: %(known)s.")
                % {"name": name[:_SHOWN_LETTERS], "known": ", ".join(filters)}
            )
        elif _fits(text, filters[name]):
            query[name] = text
        else:
            notices.append(_refused(name, text, filters[name]))
    return query, notices


def _fits(text: str, allowed: Filter) -> bool:
    if allowed is None:
        return True
    return allowed(text) if callable(allowed) else text in allowed


def _refused(name: str, text: str, allowed: Filter) -> str:
    said = _("“%(value)s” is no value of the filter “%(name)s”; it is left out.") % {
        "value": text[:_SHOWN_LETTERS],
        "name": name,
    }
    if allowed is None or callable(allowed):
        return said
    return said + " " + _("It may be: %(values)s.") % {"values": ", ".join(allowed)}
