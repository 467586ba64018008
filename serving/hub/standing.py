"""Whether a version may be handed out now, and if not, why: judged from what compliance holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from compliance.models import Permission, Stop
from compliance.selectors.restores import is_held
from compliance.selectors.stop_list import stop_list
from compliance.states import Purpose
from config.core import clock
from config.core.errors import Unavailable
from registry.models import Version


class Standing(StrEnum):
    """What a version is to those who pull.

    ``paused``: approved, but its lease ran out because nobody renews it. ``withdrawn``: it was
    permitted once and is not any more; copies of it, and of what is ``stopped`` or ``held``, may
    lie in caches. ``unapproved``: it never was, so nobody holds a copy.
    """

    READY = "ready"
    PAUSED = "paused"
    STOPPED = "stopped"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    UNAPPROVED = "unapproved"


@dataclass(frozen=True)
class Judgement:
    """A version's standing; ``reason`` and ``at`` say why and since when it is withdrawn."""

    standing: Standing
    reason: str = ""
    at: datetime | None = None


def judge(versions: Iterable[Version]) -> Mapping[int, Judgement]:
    """The standing of each version, by its primary key; four queries for however many.

    Raises:
        Unavailable: the list of stops outside the database can't be read.
    """
    rows = list(versions)
    stopped = _stopped({version.digest for version in rows})
    newest: dict[int, Permission] = {}
    given = Permission.objects.filter(purpose=Purpose.SERVE, version__in=[row.pk for row in rows])
    for permission in given.order_by("ended_at", "pk"):
        # An open permission has no end; PostgreSQL puts it last and SQLite first.
        known = newest.get(permission.version_id)
        if known is None or known.ended_at is not None:
            newest[permission.version_id] = permission
    held, now = is_held(), clock.now()
    return {
        row.pk: stopped.get(row.digest) or _of_permission(newest.get(row.pk), row, held, now)
        for row in rows
    }


def judge_one(version: Version) -> Judgement:
    """The standing of one version.

    Raises:
        Unavailable: as ``judge``.
    """
    return judge([version])[version.pk]


def _of_permission(
    permission: Permission | None, version: Version, held: bool, now: datetime
) -> Judgement:
    if permission is None or permission.digest != version.digest:
        return Judgement(Standing.UNAPPROVED)
    if permission.ended_at is not None:
        return Judgement(Standing.WITHDRAWN, permission.ended_reason, permission.ended_at)
    if held:
        return Judgement(
            Standing.HELD,
            "the database was restored from a backup, and nothing may be served until two persons "
            "let it go on",
        )
    if permission.renewed_at + timedelta(seconds=permission.ttl_seconds) <= now:
        return Judgement(Standing.PAUSED)
    return Judgement(Standing.READY)


def _stopped(digests: set[str]) -> dict[str, Judgement]:
    """Stops in the database, and those that only the list outside of it knows yet."""
    try:
        listed = stop_list().stopped
    except OSError as error:
        raise Unavailable(
            "The list of stops can't be read, so nothing is handed out.",
            fix="Whoever runs Formulary sees to the file stops.jsonl in its home.",
        ) from error
    found = {
        digest: Judgement(Standing.STOPPED, line.reason, line.at)
        for digest, line in listed.items()
        if digest in digests
    }
    for stop in Stop.objects.filter(digest__in=digests, released_at__isnull=True):
        found[stop.digest] = Judgement(Standing.STOPPED, stop.reason, stop.issued_at)
    return found
