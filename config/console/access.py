"""What the signed-in account may do, and the words for what it may not."""

from functools import cached_property
from typing import NoReturn

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from config.accounts.authentication import actor_of_request
from config.accounts.events import AccessRefused
from config.accounts.models import User
from config.accounts.roles import Act, Role, acts_of, roles_for
from config.accounts.selectors import roles_of, who_could
from config.console import words
from config.core.actors import Actor
from config.core.addresses import asked_for
from config.core.errors import Forbidden
from config.core.events import publish


class Access:
    """The roles of a request's account, read once."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def user(self) -> User:
        """The account; the site lets nobody in without one."""
        user = self._request.user
        if not isinstance(user, User):
            raise Forbidden(_("Nobody is signed in."), fix=_("Sign in first."))
        return user

    @property
    def actor(self) -> Actor:
        """The doer as the audit trail names him."""
        return actor_of_request(self._request)

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that the account holds now."""
        return frozenset(str(role) for role in self._roles)

    @cached_property
    def _roles(self) -> frozenset[Role]:
        return roles_of(self.user)

    @cached_property
    def acts(self) -> frozenset[Act]:
        """Everything that one of the roles allows."""
        return acts_of(self._roles)

    def may(self, act: Act) -> bool:
        """Whether one of the roles allows ``act``."""
        return act in self.acts

    def why_not(self, act: Act) -> str:
        """Empty where ``act`` is allowed, else which role it needs."""
        if self.may(act):
            return ""
        return _("This needs the role %(roles)s.") % {"roles": words.roles(roles_for(act))}

    def require(self, act: Act) -> None:
        """Refuse an act that no role allows, on record.

        Raises:
            Forbidden: naming the role and the people who hold it.
        """
        if self.may(act):
            return
        people = ", ".join(who_could(act)) or _("nobody yet")
        self._refuse(
            Forbidden(self.why_not(act), fix=_("Who could do it: %(people)s.") % {"people": people})
        )

    def require_reading(self) -> None:
        """Refuse an account that no role lets read, on record.

        Raises:
            Forbidden: naming the people who could give it a role.
        """
        if self.may(Act.READ):
            return
        people = ", ".join(who_could(Act.ACCOUNTS)) or _("nobody yet")
        self._refuse(
            Forbidden(
                _("%(name)s has no role that may read here.") % {"name": self.user.get_username()},
                fix=_("Who could give it one: %(people)s.") % {"people": people},
            )
        )

    def _refuse(self, error: Forbidden) -> NoReturn:
        with transaction.atomic():
            publish(
                AccessRefused(
                    actor=self.actor,
                    object_type="path",
                    object_id=asked_for(self._request),
                    reason=error.message[:500],
                )
            )
        raise error


def access_of(request: HttpRequest) -> Access:
    """The access of a request; its roles are read once."""
    found = getattr(request, "console_access", None)
    if not isinstance(found, Access):
        found = Access(request)
        request.console_access = found  # type: ignore[attr-defined]
    return found
