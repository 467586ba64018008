"""Legal holds: bytes that garbage collection must not erase, whoever would."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from config.core import clock
from config.core.actors import Actor
from config.core.digests import WHOLE_SHA256
from config.core.events import publish
from config.core.texts import unstorable
from registry.models import Blob, Hold, TrainingFile
from registry.storage_errors import HoldInvalid, HoldNotFound
from registry.storage_events import HoldPlaced, HoldReleased

MAX_MATTER_LETTERS = 100
MAX_REASON_LETTERS = 500


def place(
    *, sha256s: Iterable[str], matter: str, reason: str, actor: Actor, placed_on: str = ""
) -> list[Hold]:
    """Hold bytes by their digests, whether they are here or not; the open holds of this matter.

    ``placed_on``: the reference by which the bytes were asked for. What this matter holds already
    stays as it is; ``is_new`` of each hold says whether it was placed now.

    Raises:
        HoldInvalid: no digest, a malformed one, or no matter or reason.
    """
    wanted = sorted(set(sha256s))
    if not wanted or not all(WHOLE_SHA256.fullmatch(sha256) for sha256 in wanted):
        raise HoldInvalid(
            "A hold names whole digests: 64 lower-case hex digits each.",
            fix="Copy them from the version's files.",
        )
    matter = _clean("matter", matter, MAX_MATTER_LETTERS, "Name the case or the duty.")
    reason = _clean("reason", reason, MAX_REASON_LETTERS, "Say in a line why the bytes must stay.")
    with transaction.atomic():
        # The rows' locks: whoever is erasing one of them is waited for.
        list(Blob.objects.select_for_update(no_key=True).filter(sha256__in=wanted).order_by("pk"))
        of_trainings = TrainingFile.objects.filter(
            Q(sha256__in=wanted) | Q(blob__sha256__in=wanted)
        )
        list(of_trainings.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        return [_place(sha256, matter, reason, actor, placed_on) for sha256 in wanted]


def release(*, uuid: UUID, reason: str, actor: Actor) -> Hold:
    """End a hold; other holds on the same bytes stand.

    Raises:
        HoldInvalid: there is no reason.
        HoldNotFound: there is no such open hold.
    """
    return release_all(uuids=[uuid], reason=reason, actor=actor)[0]


def release_all(*, uuids: Iterable[UUID], reason: str, actor: Actor) -> list[Hold]:
    """End several holds for one reason, all or none; other holds on the same bytes stand.

    Raises:
        HoldInvalid: there is no reason, or no hold is named.
        HoldNotFound: one of them does not stand.
    """
    wanted = set(uuids)
    if not wanted:
        raise HoldInvalid("No hold is named.", fix="Choose those that may end.")
    reason = _clean("reason", reason, MAX_REASON_LETTERS, "Say in a line why it may end.")
    with transaction.atomic():
        rows = Hold.objects.select_for_update(no_key=True).filter(uuid__in=wanted, released_at=None)
        found = list(rows.order_by("pk"))
        if missing := wanted - {hold.uuid for hold in found}:
            raise HoldNotFound(
                f"There is no open hold {min(missing)}.", fix="GET /api/v1/holds lists them."
            )
        for hold in found:
            _release(hold, reason, actor)
    return found


def open_sha256s() -> set[str]:
    """The digests that some open hold names."""
    return set(Hold.objects.filter(released_at=None).values_list("sha256", flat=True))


def _clean(field: str, text: str, max_letters: int, fix: str) -> str:
    text = text.strip()
    if not text:
        raise HoldInvalid(f"A hold needs a {field}.", fix=fix)
    if len(text) > max_letters:
        raise HoldInvalid(
            f"The {field} has {len(text)} letters, and {max_letters} are kept.", fix="Shorten it."
        )
    if why := unstorable(text):
        raise HoldInvalid(f"The {field} {why}.", fix="Send it without that character.")
    return text


def _place(sha256: str, matter: str, reason: str, actor: Actor, placed_on: str) -> Hold:
    hold, is_new = Hold.objects.get_or_create(
        sha256=sha256,
        matter=matter,
        released_at=None,
        defaults={
            "reason": reason,
            "placed_by": actor.name[:150],
            "placed_on": placed_on[:200],
        },
    )
    hold.is_new = is_new
    if is_new:
        publish(
            HoldPlaced(
                actor=actor,
                object_type="blob",
                object_id=sha256,
                reason=reason,
                diff={"matter": [None, matter], "placed_on": [None, placed_on[:200]]},
            )
        )
    return hold


def _release(hold: Hold, reason: str, actor: Actor) -> None:
    hold.released_at, hold.released_by = clock.now(), actor.name[:150]
    hold.release_reason = reason
    hold.save(update_fields=["released_at", "released_by", "release_reason"])
    publish(
        HoldReleased(
            actor=actor,
            object_type="blob",
            object_id=hold.sha256,
            reason=reason,
            diff={"matter": [hold.matter, None]},
        )
    )
