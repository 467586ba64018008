"""Reads about accounts: the roles an account holds now, and who could do an act."""

from uuid import UUID

from django.db.models import QuerySet

from config.core.actors import Actor
from config.core.errors import NotFound

from .errors import AccountNotFound
from .models import ApiToken, RoleGrant, User
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


def account(username: str) -> User:
    """The account with this user name.

    Raises:
        AccountNotFound: naming accounts with a similar name, if there are any.
    """
    user = User.objects.select_related("person").filter(username=username).first()
    if user is None:
        known = User.objects.order_by("username").values_list("username", flat=True)[:20]
        raise AccountNotFound(
            f"There is no account {username!r}.",
            fix=f"Accounts are: {', '.join(known)}." if known else "Open one: create_user.",
        )
    return user


def is_same_person(first: User, second: User) -> bool:
    """Whether two accounts belong to one human being (then they count as one, HIP-04)."""
    if first.pk == second.pk:
        return True
    return first.person_id is not None and first.person_id == second.person_id


def persons_with_several_accounts() -> list[tuple[str, list[str]]]:
    """Printed name and user names of each person who holds more than one open account."""
    accounts: dict[int, tuple[str, list[str]]] = {}
    users = User.objects.filter(is_active=True, person__isnull=False).select_related("person")
    for user in users.order_by("username"):
        if user.person is not None:
            accounts.setdefault(user.person.pk, (user.person.printed_name, []))[1].append(
                user.username
            )
    return sorted(entry for entry in accounts.values() if len(entry[1]) > 1)


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """The account's tokens, revoked and expired ones too."""
    return ApiToken.objects.filter(user=user).select_related("user")


def token_of(user: User, uuid: UUID) -> ApiToken:
    """One of the account's own tokens.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    token = tokens_of(user).filter(uuid=uuid).first()
    if token is None:
        raise NotFound(
            f"You have no token {uuid}.", fix="GET /api/v1/tokens lists the tokens that you have."
        )
    return token
