"""The list of what can be pulled, narrowed and paged as Hub clients ask for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from compliance.models import Permission
from compliance.selectors.restores import is_held
from compliance.selectors.stops import open_stops
from compliance.states import Purpose
from registry.models import Adapter, Alias, Version
from registry.selectors import LIVE
from serving.selectors.downloads import counts_of

from .errors import QueryUnsupported
from .standing import Standing, judge

MAX_ROWS = 1000
DEFAULT_ROWS = 100
# What every adapter here is; to ask for it narrows nothing.
_TRUE_OF_ALL = frozenset({"peft", "lora", "safetensors"})
_UNDERSTOOD = frozenset(
    {"search", "author", "filter", "sort", "direction", "limit", "cursor", "full", "cardData"}
    | {"config", "expand"}
)


@dataclass(frozen=True)
class Listed:
    """One adapter of a page; ``live`` is the version that ``main`` names, if it can be pulled."""

    adapter: Adapter
    live: Version | None
    downloads: int


@dataclass(frozen=True)
class Page:
    """Some adapters, newest first, and the cursor of the next page; 0 where this is the last."""

    rows: Sequence[Listed]
    next_cursor: int


def page_of(query: QueryDict) -> Page:
    """The adapters with an approved version that is not withdrawn, as ``query`` asks for them.

    Raises:
        QueryUnsupported: it narrows or sorts by something that is not known here.
    """
    _refuse_what_is_not_understood(query)
    limit = min(_whole(query, "limit", DEFAULT_ROWS), MAX_ROWS)
    found = _narrowed(_with_approved_versions(), query)
    cursor = _whole(query, "cursor", 0)
    if cursor:
        found = found.filter(pk__lt=cursor)
    adapters = list(found.select_related("base_model").order_by("-pk")[: limit + 1])
    shown = adapters[:limit]
    live, downloads = _live(shown), counts_of(row.pk for row in shown)
    rows = [Listed(row, live.get(row.pk), downloads.get(row.pk, 0)) for row in shown]
    return Page(rows, shown[-1].pk if shown and len(adapters) > limit else 0)


def _with_approved_versions() -> QuerySet[Adapter]:
    if is_held():
        return Adapter.objects.none()
    open_ones = Permission.objects.filter(
        version__adapter=OuterRef("pk"), purpose=Purpose.SERVE, ended_at__isnull=True
    ).exclude(digest__in=open_stops().values("digest"))
    return Adapter.objects.filter(Exists(open_ones))


def _narrowed(found: QuerySet[Adapter], query: QueryDict) -> QuerySet[Adapter]:
    for word in query.get("search", "").split():
        namespace, slash, slug = word.partition("/")
        if slash:
            found = found.filter(namespace__iendswith=namespace, slug__istartswith=slug)
        else:
            found = found.filter(
                Q(slug__icontains=word) | Q(name__icontains=word) | Q(namespace__icontains=word)
            )
    if author := query.get("author"):
        found = found.filter(namespace=author)
    for listed in query.getlist("filter"):
        for tag in listed.split(","):
            if tag and tag not in _TRUE_OF_ALL:
                found = found.filter(tags__icontains=json.dumps(tag, ensure_ascii=False))
    return found


def _live(adapters: Sequence[Adapter]) -> Mapping[int, Version]:
    aliases = Alias.objects.filter(adapter__in=adapters, name=LIVE).select_related("version")
    versions = {alias.adapter_id: alias.version for alias in aliases}
    judged = judge(versions.values())
    return {
        adapter: version
        for adapter, version in versions.items()
        if judged[version.pk].standing is Standing.READY
    }


def _refuse_what_is_not_understood(query: QueryDict) -> None:
    unknown = sorted(set(query) - _UNDERSTOOD)
    if unknown:
        raise QueryUnsupported(
            f"The list can't be narrowed by {unknown[0][:60]!r}.",
            fix="Use search, author, filter (tags), limit and cursor.",
        )
    if query.get("sort", "createdAt") != "createdAt" or query.get("direction", "-1") != "-1":
        raise QueryUnsupported(
            "The list is sorted by createdAt, newest first, and by nothing else.",
            fix="Leave sort out, or sort what you were given.",
        )


def _whole(query: QueryDict, name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:20]) < 2**63:
        raise QueryUnsupported(f"{name} must be a whole number above 0.", fix="Mend the query.")
    return int(text[:20])
