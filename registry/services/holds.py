"""Legal holds: bytes that garbage collection must not erase, whoever would."""

import re
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from config.core import clock
from config.core.actors import Actor
from config.core.events import publish
from registry.models import Blob, Hold, Version, VersionFile
from registry.storage_errors import HoldInvalid, HoldNotFound
from registry.storage_events import HoldPlaced, HoldReleased

_DIGEST = re.compile(r"[0-9a-f]{64}")


def place(*, sha256s: Iterable[str], matter: str, reason: str, actor: Actor) -> list[Hold]:
    """Hold bytes by their digests, whether they are here or not; the open holds of this matter.

    Raises:
        HoldInvalid: no digest, a malformed one, or no matter or reason.
    """
    wanted = sorted(set(sha256s))
    if not wanted or not all(_DIGEST.fullmatch(sha256) for sha256 in wanted):
        raise HoldInvalid(
            "A hold names whole digests: 64 lower-case hex digits each.",
            fix="Copy them from the version's files.",
        )
    if not matter.strip() or not reason.strip():
        raise HoldInvalid(
            "A hold needs a matter and a reason.", fix="Name the case, and say in a line why."
        )
    with transaction.atomic():
        # The rows' locks: a collection that is erasing one of them is waited for.
        list(Blob.objects.select_for_update().filter(sha256__in=wanted).order_by("pk"))
        return [_place(sha256, matter.strip()[:100], reason[:500], actor) for sha256 in wanted]


def place_on_version(*, version: Version, matter: str, reason: str, actor: Actor) -> list[Hold]:
    """Hold every file of a version.

    Raises:
        HoldInvalid: there is no matter or reason.
    """
    files = VersionFile.objects.filter(version=version)
    return place(
        sha256s=files.values_list("blob__sha256", flat=True),
        matter=matter,
        reason=reason,
        actor=actor,
    )


def release(*, uuid: UUID, reason: str, actor: Actor) -> Hold:
    """End a hold; other holds on the same bytes stand.

    Raises:
        HoldInvalid: there is no reason.
        HoldNotFound: there is no such open hold.
    """
    if not reason.strip():
        raise HoldInvalid("Releasing a hold needs a reason.", fix="Say in a line why it may end.")
    with transaction.atomic():
        open_hold = Hold.objects.select_for_update().filter(uuid=uuid, released_at=None)
        hold = open_hold.first()
        if hold is None:
            raise HoldNotFound(f"There is no open hold {uuid}.")
        hold.released_at, hold.released_by = clock.now(), actor.name[:150]
        hold.release_reason = reason[:500]
        hold.save()
        publish(
            HoldReleased(
                actor=actor,
                object_type="blob",
                object_id=hold.sha256,
                reason=reason[:500],
                diff={"matter": [hold.matter, None]},
            )
        )
    return hold


def open_sha256s() -> set[str]:
    """The digests that some open hold names."""
    return set(Hold.objects.filter(released_at=None).values_list("sha256", flat=True))


def is_held(sha256: str) -> bool:
    """Whether an open hold names these bytes."""
    return Hold.objects.filter(sha256=sha256, released_at=None).exists()


def _place(sha256: str, matter: str, reason: str, actor: Actor) -> Hold:
    hold, is_new = Hold.objects.get_or_create(
        sha256=sha256,
        matter=matter,
        released_at=None,
        defaults={"reason": reason, "placed_by": actor.name[:150]},
    )
    if is_new:
        publish(
            HoldPlaced(
                actor=actor,
                object_type="blob",
                object_id=sha256,
                reason=reason,
                diff={"matter": [None, matter]},
            )
        )
    return hold
