"""Reads about accounts: the roles an account holds now, and who could do an act."""

from config.core.actors import Actor

from .models import RoleGrant, User
from .roles import Act, Role, acts_of, roles_for


def roles_of(user: User) -> frozenset[Role]:
    """The roles that this account holds now. A superuser has no bypass."""
    if not user.is_active:
        return frozenset()
    return frozenset(
        Role(role)
        for role in RoleGrant.objects.filter(user=user, ended_at__isnull=True).values_list(
            "role", flat=True
        )
    )


def can(user: User, act: Act) -> bool:
    """Whether one of the account's roles allows ``act``."""
    return act in acts_of(roles_of(user))


def who_could(act: Act, *, except_person_ids: frozenset[int] = frozenset()) -> list[str]:
    """Printed names of people who may do ``act``, for messages that name who could."""
    users = (
        User.objects.filter(
            is_active=True,
            person__isnull=False,
            role_grants__ended_at__isnull=True,
            role_grants__role__in=[str(role) for role in roles_for(act)],
        )
        .exclude(person_id__in=except_person_ids)
        .select_related("person")
        .distinct()
    )
    return sorted({user.person.printed_name for user in users if user.person})


def actor_of(user: User, *, ip: str = "", session: str = "", request_id: str = "") -> Actor:
    """The actor for acts of this account."""
    return Actor(
        kind="user",
        name=user.get_username(),
        user_id=user.pk,
        person_id=user.person_id,
        ip=ip,
        session=session,
        request_id=request_id,
    )
