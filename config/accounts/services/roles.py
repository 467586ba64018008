"""Grants and ends roles."""

from django.db import IntegrityError, transaction

from config.accounts.events import RoleEnded, RoleGranted
from config.accounts.models import RoleGrant, User
from config.accounts.roles import Role
from config.core import clock
from config.core.actors import Actor
from config.core.events import publish


def grant(*, user: User, role: Role, granted_by: User | None, actor: Actor) -> RoleGrant:
    """Let ``user`` hold ``role`` from now on; a grant that is open already is returned as it is.

    ``granted_by`` is None where the system does it at first start.
    """
    role = Role(role)
    held = RoleGrant.objects.filter(user=user, role=role, ended_at__isnull=True)
    if (found := held.first()) is not None:
        return found
    try:
        with transaction.atomic():
            made = RoleGrant.objects.create(user=user, role=role, granted_by=granted_by)
            publish(
                RoleGranted(
                    actor=actor,
                    object_type="user",
                    object_id=str(user.pk),
                    diff={"role": [None, str(role)]},
                )
            )
    except IntegrityError:
        return held.get()  # somebody else granted it at the same moment
    return made


def end(*, user: User, role: Role, actor: Actor, reason: str = "") -> bool:
    """End an open grant; False when there is none."""
    with transaction.atomic():
        ended = RoleGrant.objects.filter(user=user, role=role, ended_at__isnull=True).update(
            ended_at=clock.now()
        )
        if ended:
            publish(
                RoleEnded(
                    actor=actor,
                    object_type="user",
                    object_id=str(user.pk),
                    diff={"role": [str(role), None]},
                    reason=reason,
                )
            )
    return bool(ended)
