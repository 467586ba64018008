"""The list of all versions: filters from the address, and one word for each row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from compliance.models import ApprovalRequest, Permission, Stop
from compliance.states import ApprovalState, Purpose
from config.console import words
from config.console.selectors.blocked import blocking_run, finished_runs
from registry.models import Alias, Version
from registry.selectors import LIVE

STATES = words.Texts(
    {
        "live": gettext_noop("live"),
        "approved": gettext_noop("approved"),
        "waiting": gettext_noop("waiting for signatures"),
        "blocked": gettext_noop("blocked by a check"),
        "stopped": gettext_noop("stopped everywhere"),
    }
)


@dataclass(frozen=True)
class Line:
    """A version with the one word that says most about it."""

    version: Version
    word: words.Word


def version_list(query: Mapping[str, str]) -> QuerySet[Version]:
    """Versions that the filters ask for; ``annotated`` adds what the rows show."""
    rows = Version.objects.select_related("adapter", "submitted_by__person")
    if text := query.get("q", "").strip():
        # A digest is looked up by its first letters, as people copy them.
        is_digest = len(text) >= 6 and set(text.lower()) <= set("0123456789abcdef")
        named = (
            Q(version_name__icontains=text)
            | Q(adapter__name__icontains=text)
            | Q(adapter__slug__icontains=text)
        )
        rows = rows.filter(named | Q(digest__startswith=text.lower()) if is_digest else named)
    state = query.get("state", "")
    if state == "live":
        rows = rows.filter(pk__in=Alias.objects.filter(name=LIVE).values("version"))
    elif state == "approved":
        rows = rows.filter(pk__in=_permitted().values("version"))
    elif state == "waiting":
        rows = rows.filter(
            pk__in=ApprovalRequest.objects.filter(state=ApprovalState.OPEN).values("version")
        )
    elif state == "blocked":
        rows = rows.filter(blocking_run())
    elif state == "stopped":
        rows = rows.filter(digest__in=_stopped().values("digest"))
    return rows


def lines(rows: Iterable[Version]) -> list[Line]:
    """The rows of one page with their words, in a fixed number of queries."""
    shown = list(rows)
    found = Version.objects.filter(pk__in=[row.pk for row in shown]).values_list(
        "pk",
        Exists(_stopped().filter(digest=OuterRef("digest"))),
        Exists(Alias.objects.filter(name=LIVE, version=OuterRef("pk"))),
        Exists(_permitted().filter(version=OuterRef("pk"))),
        Subquery(
            ApprovalRequest.objects.filter(version=OuterRef("pk"))
            .order_by("-revision")
            .values("state")[:1]
        ),
        Exists(finished_runs(version=OuterRef("pk"))),
        blocking_run(),
    )
    words_of = {pk: _word(Standing(*facts)) for pk, *facts in found}
    return [Line(row, words_of[row.pk]) for row in shown]


@dataclass(frozen=True)
class Standing:
    """What a version's word depends on; ``asked`` is the state of its newest approval request."""

    is_stopped: bool
    is_live: bool
    is_permitted: bool
    asked: str | None
    is_checked: bool
    is_blocked: bool


def _word(standing: Standing) -> words.Word:
    """What is worse, or further, is said first."""
    if standing.is_stopped:
        return words.Word(_("stopped"), "block", "bad")
    if standing.is_live:
        return words.Word(_("live"), "verified", "good")
    if standing.is_permitted:
        return words.Word(_("approved"), "verified", "good")
    if standing.asked in {ApprovalState.OPEN, ApprovalState.REJECTED}:
        return words.word("approval", standing.asked)
    if not standing.is_checked:
        return words.Word(_("being checked"), "progress_activity", "info")
    if standing.is_blocked:
        return words.Word(_("blocked"), "cancel", "bad")
    return words.Word(_("nothing blocks"), "check_circle")


def _permitted() -> QuerySet[Permission]:
    return Permission.objects.filter(purpose=Purpose.SERVE, ended_at__isnull=True)


def _stopped() -> QuerySet[Stop]:
    return Stop.objects.filter(released_at__isnull=True)
