"""Holds serving after a restore from a backup, until two persons let it go on."""

from django.db import IntegrityError, transaction
from django.db.models import F

from compliance.errors import RestoreHeld, ResumeRefused
from compliance.events import RestoreNoticed, RestoreResumed, ResumeAsked
from compliance.models import Permission, Restore
from compliance.selectors.restores import find_lag, is_held
from compliance.services import audit, epochs, stops
from config.accounts.models import User
from config.accounts.roles import Act, roles_for
from config.accounts.selectors import can
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.errors import Conflict, DomainError, Forbidden, Invalid
from config.core.events import publish

# Gateways that ran on through the restore know higher lease numbers than the backup has.
_LEASE_LEAP = 1_000_000


def begin() -> Restore | None:
    """What every process that permits or serves does first: notice a restore, bring back stops.

    In this order, because bringing back stops makes the database count on.

    Raises:
        OSError: a list or checkpoint outside the database can't be read.
    """
    found = notice()
    stops.unite()
    return found


def notice() -> Restore | None:
    """Hold serving where the database is older than what lies outside it; once for each evidence.

    Raises:
        OSError: a list or checkpoint outside the database can't be read.
    """
    lag = find_lag()
    if lag is None:
        return None
    try:
        with transaction.atomic():
            restore = Restore.objects.create(
                evidence=lag.evidence,
                checkpoint_size=lag.checkpoint_size,
                trail_size=lag.trail_size,
                listed_epoch=lag.listed_epoch,
                stops_epoch=lag.stops_epoch,
            )
            publish(
                RestoreNoticed(
                    actor=SYSTEM,
                    object_type="restore",
                    object_id=str(restore.uuid),
                    diff={
                        "trail_size": [lag.checkpoint_size, lag.trail_size],
                        "stops_epoch": [lag.listed_epoch, lag.stops_epoch],
                    },
                    reason=f"Outside the database is more than in it: {lag.evidence}",
                )
            )
            epochs.bump_routing()
    except IntegrityError:
        return None  # another process noticed it at the same moment
    return restore


def require_resumed() -> None:
    """Let a release pass only where nothing is held.

    Raises:
        RestoreHeld: the database was restored, and two persons have not let serving go on.
    """
    if is_held():
        raise RestoreHeld(
            "The database was restored from a backup; nothing new is rolled out before two "
            "persons have looked at what it lacks.",
            fix="Operators and compliance officers see it on Today: one asks, another resumes.",
        )


def ask_resume(*, restore: Restore, reason: str, user: User, actor: Actor) -> Restore:
    """The first person's act: what the backup lacks was looked at, serving may go on.

    Raises:
        Forbidden: no role of the account may do it, or it belongs to no person.
        Invalid: there is no reason.
        Conflict: serving goes on already, or somebody has asked.
    """
    try:
        _person(user)
        if not reason.strip():
            raise Invalid("A reason is needed.", fix="Say what was looked at.")
        with transaction.atomic():
            changed = Restore.objects.filter(
                pk=restore.pk, resumed_at__isnull=True, resume_asked_by__isnull=True
            ).update(resume_asked_by=user, resume_asked_at=clock.now(), resume_reason=reason[:1000])
            if not changed:
                raise Conflict(
                    "Serving goes on already, or somebody has asked that it may.",
                    fix="A second person can resume it.",
                )
            publish(_event(ResumeAsked, restore, reason=reason, actor=actor))
    except DomainError as error:
        _refused(restore, actor, error)
        raise
    restore.refresh_from_db()
    return restore


def resume(*, restore: Restore, user: User, actor: Actor) -> Restore:
    """The second person's act: what is wanted, permitted and proven is served again.

    Raises:
        ResumeRefused: nobody has asked, or the same person has.
        Forbidden: no role of the account may do it, or it belongs to no person.
        Conflict: serving goes on already.
    """
    try:
        person = _person(user)
        with transaction.atomic():
            locked = Restore.objects.select_for_update(no_key=True).get(pk=restore.pk)
            _may_resume(locked, person)
            locked.resumed_by, locked.resumed_at = user, clock.now()
            locked.save(update_fields=["resumed_by", "resumed_at"])
            Permission.objects.filter(ended_at__isnull=True).update(
                lease_sequence=F("lease_sequence") + _LEASE_LEAP
            )
            publish(_event(RestoreResumed, locked, reason=locked.resume_reason, actor=actor))
            epochs.bump_routing()
    except DomainError as error:
        _refused(restore, actor, error)
        raise
    return locked


def _may_resume(restore: Restore, person: int) -> None:
    if restore.resumed_at:
        raise Conflict("Serving goes on already.", fix="Nothing is left to do.")
    if restore.resume_asked_by is None:
        raise ResumeRefused(
            "A first person asks that serving may go on, a second one resumes it.",
            fix="Ask for it first.",
        )
    if person == restore.resume_asked_by.person_id:
        raise ResumeRefused(
            f"{restore.resume_asked_by} asked for this; it takes a second person.",
            fix="Ask a colleague with one of the roles "
            f"{', '.join(roles_for(Act.RESUME))} to resume it.",
        )


def _person(user: User) -> int:
    if not can(user, Act.RESUME):
        raise Forbidden(
            f"Resuming after a restore needs one of the roles {', '.join(roles_for(Act.RESUME))}.",
            fix="Call two persons who hold one.",
        )
    if user.person_id is None:
        raise Forbidden(
            f"The account {user.get_username()} belongs to no person, and this takes two.",
            fix="An administrator enters whose account it is.",
        )
    return user.person_id


def _event(
    kind: type[ResumeAsked] | type[RestoreResumed], restore: Restore, *, reason: str, actor: Actor
) -> ResumeAsked | RestoreResumed:
    return kind(
        actor=actor,
        object_type="restore",
        object_id=str(restore.uuid),
        diff={"evidence": [None, restore.evidence]},
        reason=reason,
    )


def _refused(restore: Restore, actor: Actor, error: DomainError) -> None:
    audit.record_refusal(
        action="restore.resume_refused",
        actor=actor,
        object_type="restore",
        object_id=str(restore.uuid),
        reason=error.message,
    )
