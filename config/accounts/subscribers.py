"""Turns Django's and allauth's sign-in signals into events for the audit trail."""

from typing import Any

from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
)
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from config.accounts.events import (
    SecondFactorEnrolled,
    SecondFactorRemoved,
    SignedIn,
    SignedOut,
    SignInFailed,
)
from config.core.actors import Actor
from config.core.events import Event, publish
from config.core.middleware import request_id_var

from .authentication import actor_of_request, client_ip
from .models import User
from .selectors import actor_of
from .services import second_factors


def connect() -> None:
    """Listen to the signals."""
    user_logged_in.connect(_signed_in, dispatch_uid="formulary-signed-in")
    user_logged_out.connect(_signed_out, dispatch_uid="formulary-signed-out")
    user_login_failed.connect(_password_wrong, dispatch_uid="formulary-password-wrong")
    authentication_failed.connect(_code_wrong, dispatch_uid="formulary-code-wrong")
    authenticator_added.connect(_factor_added, dispatch_uid="formulary-factor-added")
    authenticator_removed.connect(_factor_removed, dispatch_uid="formulary-factor-removed")


def _publish(
    kind: type[Event], request: HttpRequest | None, user: User, *, reason: str = "", **diff: Any
) -> None:
    signed_in = getattr(request, "user", None)
    if request is not None and signed_in == user:
        actor = actor_of_request(request)
    else:  # halfway through signing in: the request is nobody's yet
        actor = actor_of(
            user, ip=client_ip(request) if request else "", request_id=request_id_var.get()
        )
    with transaction.atomic():
        publish(
            kind(
                actor=actor,
                object_type="user",
                object_id=str(user.pk),
                diff=diff,
                reason=reason,
            )
        )


def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    _publish(SignedIn, request, user)


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        _publish(SignedOut, request, user)


def _password_wrong(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    # The name that was typed is kept only where an account has it: people type their password
    # into the wrong field.
    user = User.objects.filter(username=str(credentials.get("username", ""))).first()
    if user is not None:
        _publish(SignInFailed, request, user, reason="wrong password")
        return
    stranger = Actor(
        kind="anonymous", name="unknown account", ip=client_ip(request) if request else ""
    )
    with transaction.atomic():
        publish(
            SignInFailed(
                actor=stranger, object_type="user", object_id="unknown", reason="no such account"
            )
        )


def _code_wrong(request: HttpRequest, user: User, **_: Any) -> None:
    _publish(SignInFailed, request, user, reason="wrong code")


def _factor_added(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    if authenticator.type == authenticator.Type.TOTP:
        second_factors.spend_current_code(user)
    _publish(SecondFactorEnrolled, request, user, second_factor=[None, str(authenticator.type)])


def _factor_removed(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    _publish(SecondFactorRemoved, request, user, second_factor=[str(authenticator.type), None])
