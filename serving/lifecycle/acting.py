"""Who acts, and how the synchronous services are called from asynchronous programs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, connection

from config.accounts.models import User
from config.accounts.roles import Act
from config.accounts.selectors import account, actor_of
from config.core.actors import Actor
from config.core.errors import Forbidden
from serving.services import rights

P = ParamSpec("P")
R = TypeVar("R")
SESSION = "lifecycle"


@dataclass(frozen=True, slots=True)
class Acting:
    """The account in whose name everything is done; its roles are asked at each act."""

    user: User

    @property
    def actor(self) -> Actor:
        """As the audit trail names it; ``session`` says by which door."""
        return actor_of(self.user, session=SESSION)

    @property
    def by(self) -> dict[str, Any]:
        """What every service wants to know."""
        return {"user": self.user, "actor": self.actor}

    def require(self, act: Act) -> None:
        """Refuse what no role of the account allows.

        Raises:
            Forbidden: naming the roles and who holds one.
        """
        rights.require(user=self.user, act=act)


def acting_as(who: User | str | None) -> Acting:
    """The account that is named, or that ``LIFECYCLE_USER`` names.

    Raises:
        Forbidden: none is named, it is closed, or it belongs to no person.
        AccountNotFound: there is no such account.
    """
    named = who if who is not None else settings.LIFECYCLE_USER
    if not named:
        raise Forbidden(
            "Nobody is named who acts.",
            fix="create_lifecycle_manager(config, user='your.name'), or set LIFECYCLE_USER.",
        )
    user = account(named) if isinstance(named, str) else User.objects.get(pk=named.pk)
    if not user.is_active or user.person_id is None:
        raise Forbidden(
            f"The account {user.get_username()} is closed, or belongs to no person.",
            fix="Name the account of the person who answers for what is done.",
        )
    acting = Acting(user)
    acting.require(Act.READ)
    return acting


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a synchronous function where Django's connections live; the loop goes on meanwhile."""

    def call() -> R:
        # A program may run for days between two calls; a transaction of the caller's own stays.
        if not connection.in_atomic_block:
            close_old_connections()
        return function(*args, **kwargs)

    return await sync_to_async(call)()


def from_anywhere(function: Callable[[], R]) -> R:
    """Call a reading function from plain code, or from a coroutine that does not await it.

    Django refuses queries in a thread with a running loop, so there a thread of its own is lent.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function()

    def call() -> R:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(call).result()
