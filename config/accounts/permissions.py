"""DRF permission by act: role of the account, and scope of the token."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from .models import ApiToken, User
from .roles import SIGNING_ACTS, Act, roles_for
from .selectors import can, who_could


def require(request: Request, act: Act) -> None:
    """Refuse unless the account's roles and the token's scopes allow ``act``.

    Raises:
        PermissionDenied: saying which role is missing and who has it.
    """
    token = request.auth
    if isinstance(token, ApiToken):
        if act in SIGNING_ACTS:
            raise PermissionDenied("A signature can't be given with an API token; sign in.")
        if act not in token.scopes:
            raise PermissionDenied(f"This token has no scope {act}. Issue one with --scope {act}.")
    if not isinstance(request.user, User) or not can(request.user, act):
        roles = " or ".join(roles_for(act))
        people = ", ".join(who_could(act)) or "nobody yet"
        raise PermissionDenied(f"This needs the role {roles}. Who could do it: {people}.")


def needs_any(*acts: Act) -> type[BasePermission]:
    """A DRF permission class: one of ``acts`` is enough, whatever the method."""

    class HasAnyAct(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            if not request.user or not request.user.is_authenticated:
                return False
            refusal: PermissionDenied | None = None
            for act in acts:
                try:
                    require(request, act)
                except PermissionDenied as error:
                    refusal = refusal or error
                else:
                    return True
            if refusal is not None:
                raise refusal
            return False

    HasAnyAct.__name__ = "Has_" + "_or_".join(act.name for act in acts)
    return HasAnyAct


def needs(act: Act, *, reading: Act = Act.READ) -> type[BasePermission]:
    """A DRF permission class: ``reading`` for GET and HEAD, ``act`` for everything else."""

    class HasAct(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            if not request.user or not request.user.is_authenticated:
                return False
            require(request, reading if request.method in {"GET", "HEAD", "OPTIONS"} else act)
            return True

    HasAct.__name__ = f"Has_{act.name}"
    return HasAct
