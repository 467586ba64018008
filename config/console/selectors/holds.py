"""The list of legal holds, what they keep in all, and what they keep of one version or adapter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.console import words
from registry import hold_selectors
from registry.models import Adapter, Blob, Hold, Version

STATES = words.Texts(
    {
        "released": gettext_noop("released"),
        "all": gettext_noop("standing and released"),
    }
)
SHOWN_VERSIONS = 3


@dataclass(frozen=True)
class Line:
    """A hold, how large what it keeps is, and the versions that have it.

    ``size_bytes`` is None where these bytes are not stored.
    """

    hold: Hold
    size_bytes: int | None
    versions: Sequence[Version]
    more_versions: int


@dataclass(frozen=True)
class Totals:
    """What stands, over all matters."""

    matters: int
    digests: int
    size_bytes: int


@dataclass(frozen=True)
class Kept:
    """What holds keep of a version: of its files so many, in these matters."""

    holds: Sequence[Hold]
    held_files: int

    @property
    def matters(self) -> list[str]:
        """The matters, each once, the oldest first."""
        return list(dict.fromkeys(hold.matter for hold in self.holds))

    @property
    def since(self) -> Hold | None:
        """The hold that stands longest."""
        return self.holds[0] if self.holds else None


def hold_list(query: Mapping[str, str]) -> QuerySet[Hold]:
    """Holds that the filters ask for; those that stand where nothing is said."""
    rows = hold_selectors.holds()
    state = query.get("state", "")
    if state != "all":
        rows = rows.filter(released_at__isnull=state != "released")
    if text := query.get("q", "").strip():
        named = Q(matter__icontains=text) | Q(reason__icontains=text) | Q(placed_on__icontains=text)
        rows = rows.filter(named | Q(sha256__startswith=text.lower()))
    return rows


def lines(rows: Iterable[Hold]) -> list[Line]:
    """Each hold with what it keeps; two queries, however many rows there are."""
    listed = list(rows)
    sha256s = {hold.sha256 for hold in listed}
    versions, sizes = hold_selectors.versions_with(sha256s), hold_selectors.sizes_of(sha256s)
    return [
        Line(
            hold,
            sizes.get(hold.sha256),
            (found := versions.get(hold.sha256, ()))[:SHOWN_VERSIONS],
            max(0, len(found) - SHOWN_VERSIONS),
        )
        for hold in listed
    ]


def totals() -> Totals:
    """What stands now."""
    standing = hold_selectors.open_holds().order_by()
    counted = standing.aggregate(
        matters=Count("matter", distinct=True), digests=Count("sha256", distinct=True)
    )
    kept = Blob.objects.filter(sha256__in=standing.values("sha256"))
    size_bytes = kept.aggregate(sum=Sum("size_bytes"))["sum"] or 0
    return Totals(counted["matters"], counted["digests"], size_bytes)


def sentence(found: Totals) -> str:
    """What the page begins with."""
    if not found.digests:
        return _("No legal hold stands.")
    return _(
        "In %(matters)s holds keep %(files)s, which nobody can erase until they are released."
    ) % {
        "matters": words.counted(found.matters, "matter"),
        "files": words.counted(found.digests, "file"),
    }


def kept_of_version(version: Version) -> Kept:
    """The holds that stand on files of a version."""
    found = hold_selectors.holds_on_version(version)
    return Kept(found, len({hold.sha256 for hold in found}))


def held_versions(adapter: Adapter) -> list[Version]:
    """The adapter's versions of which a hold keeps something, the newest first."""
    return list(hold_selectors.held_versions_of(adapter))
