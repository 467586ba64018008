"""Issues and revokes API tokens."""

import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from config.accounts.errors import AccountInvalid, ScopeRefused
from config.accounts.events import TokenIssued, TokenRevoked
from config.accounts.models import ApiToken, User
from config.accounts.roles import SIGNING_ACTS, Act, acts_of, roles_for
from config.accounts.selectors import roles_of
from config.core import clock
from config.core.actors import Actor
from config.core.digests import sha256_hex
from config.core.events import publish

PREFIX = "fml_"
PREFIX_CHARS = 12
_SECRET_BYTES = 32
# Only asked for by name: a token that may open accounts or make tokens outlives its own expiry.
NEVER_BY_DEFAULT = frozenset({Act.ACCOUNTS, Act.TOKENS})


def default_scopes(user: User) -> list[Act]:
    """Everything that the account's roles allow a program to do."""
    allowed = acts_of(roles_of(user)) - SIGNING_ACTS - NEVER_BY_DEFAULT
    return sorted(allowed)


def issue(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    days: int = 90,
    node_name: str = "",
    actor: Actor,
) -> tuple[ApiToken, str]:
    """Make a token for ``user`` and return it with its text, which is shown this once.

    Raises:
        ScopeRefused: no scope is given, or one is unknown, is a signature, or needs a role that
            the account does not have.
        AccountInvalid: the name is empty, the days are out of range, or the account is closed.
    """
    wanted = _check_scopes(user, scopes)
    if not name.strip() or len(name) > 100:
        raise AccountInvalid(
            "A token needs a name of at most 100 characters.", fix="Name the program that uses it."
        )
    if not 1 <= days <= settings.API_TOKEN_MAX_DAYS:
        raise AccountInvalid(
            f"A token can't be valid for {days} days.",
            fix=f"Choose 1 to {settings.API_TOKEN_MAX_DAYS} days and renew it in time.",
        )
    if not user.is_active:
        raise AccountInvalid(f"The account {user.username!r} is closed.", fix="Open it first.")
    text = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    now = clock.now()
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name.strip(),
            prefix=text[:PREFIX_CHARS],
            token_sha256=sha256_hex(text.encode()),
            scopes=[str(scope) for scope in wanted],
            node_name=node_name,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        publish(
            TokenIssued(
                actor=actor,
                object_type="token",
                object_id=str(token.uuid),
                diff={
                    "user": [None, user.username],
                    "name": [None, token.name],
                    "scopes": [None, token.scopes],
                    "expires_at": [None, clock.isoformat(token.expires_at)],
                },
            )
        )
    return token, text


def revoke(*, token: ApiToken, actor: Actor, reason: str = "") -> bool:
    """End a token now; False when it was revoked already."""
    now = clock.now()
    with transaction.atomic():
        changed = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
            revoked_at=now
        )
        if changed:
            token.revoked_at = now
            publish(
                TokenRevoked(
                    actor=actor,
                    object_type="token",
                    object_id=str(token.uuid),
                    diff={"revoked_at": [None, clock.isoformat(now)]},
                    reason=reason,
                )
            )
    return bool(changed)


def _check_scopes(user: User, scopes: Iterable[str]) -> list[Act]:
    possible = [str(act) for act in Act if act not in SIGNING_ACTS]
    wanted: list[Act] = []
    allowed = acts_of(roles_of(user))
    for scope in dict.fromkeys(scopes):
        if scope in set(SIGNING_ACTS):
            raise ScopeRefused(
                f"{scope} is a signature, and no token can sign.",
                fix="Sign in to the console with password and code, and sign there.",
            )
        if scope not in possible:
            raise ScopeRefused(
                f"There is no scope {scope!r}.", fix=f"Scopes are: {', '.join(sorted(possible))}."
            )
        act = Act(scope)
        if act not in allowed:
            raise ScopeRefused(
                f"The account {user.username!r} has no role that allows {scope}.",
                fix=f"Grant one of the roles {', '.join(roles_for(act))}, or leave the scope out.",
            )
        wanted.append(act)
    if not wanted:
        raise ScopeRefused(
            f"A token for {user.username!r} would have no scope at all.",
            fix="Name at least one scope, and see that the account has a role.",
        )
    return wanted
