"""Stops a digest everywhere (one person, at once) and releases it (two persons)."""

from datetime import timedelta

from django.db import IntegrityError, transaction

from compliance.errors import ReleaseRefused
from compliance.events import DigestReleased, DigestStopped, ReleaseAsked, StopBroughtBack
from compliance.models import Stop
from compliance.selectors.stops import open_stops, stopped_digests, was_released_since
from compliance.services import audit, epochs, stop_list
from config.accounts.models import User
from config.accounts.roles import Act, roles_for
from config.accounts.selectors import can
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.digests import WHOLE_SHA256
from config.core.errors import Conflict, DomainError, Forbidden, Invalid
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.texts import unstorable

_TRIES = 3
# A line that is younger may be of a stop whose transaction has yet to commit.
UNDER_WAY = timedelta(seconds=3)


def issue(*, digest: str, reason: str, user: User, actor: Actor) -> Stop:
    """Withdraw a digest everywhere, known here or not; stopping twice is one stop.

    The list outside the database is written first: a stop stands even where the database fails.

    Raises:
        Forbidden: no role of the account may stop.
        Invalid: the digest is no SHA-256 in hex, or the reason is empty or can't be stored.
    """
    try:
        _may_stop(user)
        if not WHOLE_SHA256.fullmatch(digest):
            raise Invalid(
                "A stop names the whole digest: 64 lower-case hex digits.",
                fix="Copy it from the version's page.",
            )
        _needs_reason(reason)
    except DomainError as error:
        _refused("stop.refused", actor, digest[:64], error)
        raise
    stop_list.append(_line("stop", digest, reason, actor))
    failpoint("stop.listed")
    stop = _issue(DigestStopped, digest=digest, reason=reason, user=user, actor=actor)
    failpoint("stop.recorded")
    return stop


def _issue(
    event: type[DigestStopped], *, digest: str, reason: str, user: User | None, actor: Actor
) -> Stop:
    for _ in range(_TRIES):
        try:
            stop, epoch = _create(event, digest=digest, reason=reason, user=user, actor=actor)
        except IntegrityError:
            repeated = _repeated(digest=digest, reason=reason, actor=actor)
            if repeated is not None:
                return repeated
        else:
            stop_list.append(_line("kept", digest, "", actor, epoch=epoch))
            return stop
    raise Conflict(
        "This digest is being stopped and released at the same moment.",
        fix="Stop it again; the list outside the database holds this stop already.",
    )


def _create(
    event: type[DigestStopped], *, digest: str, reason: str, user: User | None, actor: Actor
) -> tuple[Stop, int]:
    with transaction.atomic():
        stop = Stop.objects.create(digest=digest, reason=reason[:1000], issued_by=user)
        publish(
            event(
                actor=actor,
                object_type="digest",
                object_id=digest,
                diff={"stop": [None, str(stop.uuid)]},
                reason=reason,
                digest=digest,
            )
        )
        return stop, epochs.bump_stops()


def _repeated(*, digest: str, reason: str, actor: Actor) -> Stop | None:
    """The open stop that was there first, None when it has been released meanwhile."""
    with transaction.atomic():
        stop = open_stops().select_for_update(no_key=True).filter(digest=digest).first()
        if stop is not None:
            audit.record(
                action="stop.repeated",
                actor=actor,
                object_type="digest",
                object_id=digest,
                reason=reason,
            )
    return stop


def ask_release(*, stop: Stop, reason: str, user: User, actor: Actor) -> Stop:
    """The first person's act: ask that a stop be released.

    Raises:
        Forbidden: no role of the account may do it, or it belongs to no person.
        Invalid: there is no reason.
        Conflict: it is released already, or somebody has asked.
    """
    try:
        _may_stop(user)
        _person(user)
        _needs_reason(reason)
        with transaction.atomic():
            changed = Stop.objects.filter(
                pk=stop.pk, released_at__isnull=True, release_asked_by__isnull=True
            ).update(
                release_asked_by=user,
                release_asked_at=clock.now(),
                release_reason=reason[:1000],
            )
            if not changed:
                raise Conflict(
                    "The stop is released, or its release has been asked for.",
                    fix="A second person can release it.",
                )
            publish(
                ReleaseAsked(
                    actor=actor,
                    object_type="digest",
                    object_id=stop.digest,
                    diff={"stop": [str(stop.uuid), str(stop.uuid)]},
                    reason=reason,
                    digest=stop.digest,
                )
            )
    except DomainError as error:
        _refused("stop.release_refused", actor, stop.digest, error)
        raise
    stop.refresh_from_db()
    return stop


def release(*, stop: Stop, user: User, actor: Actor) -> Stop:
    """The second person's act: the digest may be routed again where it is permitted.

    Raises:
        ReleaseRefused: nobody has asked, or the same person has.
        Forbidden: no role of the account may do it, or it belongs to no person.
        Conflict: it is released already.
    """
    try:
        _may_stop(user)
        with transaction.atomic():
            locked = Stop.objects.select_for_update(no_key=True).get(pk=stop.pk)
            _may_release(locked, user)
            locked.released_by, locked.released_at = user, clock.now()
            locked.save(update_fields=["released_by", "released_at"])
            publish(
                DigestReleased(
                    actor=actor,
                    object_type="digest",
                    object_id=stop.digest,
                    diff={"stop": [str(stop.uuid), None]},
                    reason=locked.release_reason,
                    digest=stop.digest,
                )
            )
            epoch = epochs.bump_stops()
    except DomainError as error:
        _refused("stop.release_refused", actor, stop.digest, error)
        raise
    stop_list.append(_line("release", stop.digest, locked.release_reason, actor, epoch=epoch))
    return locked


def unite() -> int:
    """Stop what the list outside the database names and the database lacks; how many.

    Called at start and every few seconds: a restored backup must not revive a stopped digest. What
    the database holds stopped and the list says is released stays stopped, until two persons
    release it anew.

    Raises:
        OSError: the list is there and can't be read.
    """
    listed = stop_list.read()
    epochs.lift_stops(above=listed.epoch)
    # After the list: whatever was committed before its line is seen.
    known = stopped_digests()
    count = 0
    for digest, line in listed.stopped.items():
        if digest in known or (line.at is not None and clock.now() - line.at < UNDER_WAY):
            continue
        if line.at is not None and was_released_since(digest, line.at):
            # A process ended, or has yet to go on, between the release and its line.
            stop_list.append(_line("release", digest, "", SYSTEM))
            continue
        _issue(
            StopBroughtBack,
            digest=digest,
            reason=line.reason or "stopped",
            user=None,
            actor=SYSTEM,
        )
        count += 1
    return count


def follow(known: frozenset[str]) -> None:
    """Unite where the list names what ``known`` lacks; for those who look each second.

    Raises:
        OSError: the list is there and can't be read.
    """
    if not stop_list.read().stopped.keys() <= known:
        unite()


def _may_stop(user: User) -> None:
    if not can(user, Act.STOP):
        raise Forbidden(
            f"Stopping needs one of the roles {', '.join(roles_for(Act.STOP))}.",
            fix="Call somebody who holds one; it takes one person.",
        )


def _may_release(stop: Stop, user: User) -> None:
    if stop.released_at:
        raise Conflict("The stop is released already.", fix="Nothing is left to do.")
    if stop.release_asked_by is None:
        raise ReleaseRefused(
            "A first person asks for the release, a second one gives it.",
            fix="Ask for the release first.",
        )
    person = _person(user)
    if person == stop.release_asked_by.person_id:
        raise ReleaseRefused(
            f"{stop.release_asked_by} asked for this release; it takes a second person.",
            fix="Ask a colleague who may stop to release it.",
        )


def _person(user: User) -> int:
    if user.person_id is None:
        raise Forbidden(
            f"The account {user.get_username()} belongs to no person, and a release takes two.",
            fix="An administrator enters whose account it is.",
        )
    return user.person_id


def _needs_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("A reason is needed.", fix="Say in a line why.")
    if why := unstorable(reason):
        # The list outside the database would keep it, and the database never take it from there.
        raise Invalid(f"The reason {why}.", fix="Type it anew; nothing was done.")


def _refused(action: str, actor: Actor, digest: str, error: DomainError) -> None:
    audit.record_refusal(
        action=action, actor=actor, object_type="digest", object_id=digest, reason=error.message
    )


def _line(
    act: str, digest: str, reason: str, actor: Actor, *, epoch: int = 0
) -> dict[str, str | int]:
    line: dict[str, str | int] = {
        "at": clock.isoformat(clock.now()),
        "act": act,
        "digest": digest,
        "reason": reason[:1000],
        "by": actor.name,
    }
    return {**line, "epoch": epoch} if epoch else line
