"""API tokens of programs, and the actor of a request."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from config.core import clock
from config.core.actors import Actor
from config.core.digests import sha256_hex
from config.core.middleware import request_id_var

from .models import ApiToken, User
from .selectors import actor_of

_TOUCH_AFTER = timedelta(minutes=1)
_BEARER = "bearer"
# Clients of the artifact contract send their token in a header of its own.
ARTIFACT_PATHS = ("/artifact/", "/artifacts/", "/lambda/")


def find_token(text: str) -> ApiToken | None:
    """The live token with this text, or None when it is unknown, expired, revoked or orphaned."""
    token = (
        ApiToken.objects.select_related("user__person")
        .filter(token_sha256=sha256_hex(text.encode()), revoked_at__isnull=True)
        .first()
    )
    if token is None or token.expires_at <= clock.now() or not token.user.is_active:
        return None
    return token


def given_tokens(headers: Mapping[str, str], path: str = "") -> list[str]:
    """The different texts that the request's headers give as API tokens, at most one a header.

    ``Authorization: Bearer …`` and ``X-API-Key: …`` are equal; ``X-Authorization`` counts on the
    artifact contract's paths alone. An ``Authorization`` of another scheme gives none.
    """
    found = []
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == _BEARER:
        found.append(text.strip())
    if "X-API-Key" in headers:
        found.append(headers["X-API-Key"].strip())
    if "X-Authorization" in headers and path.startswith(ARTIFACT_PATHS):
        text = headers["X-Authorization"].strip()
        scheme, _, rest = text.partition(" ")
        found.append(rest.strip() if scheme.lower() == _BEARER else text)
    return list(dict.fromkeys(found))


class TokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer fml_…`` or ``X-API-Key: fml_…``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The token's user and the token, or None when no header gives one.

        Raises:
            AuthenticationFailed: it is not valid, or two headers give different ones.
        """
        given = given_tokens(request.headers, request.path)
        if not given:
            return None
        if len(given) > 1:
            raise exceptions.AuthenticationFailed(
                "The request's headers give two different API tokens. Send one."
            )
        token = find_token(given[0])
        if token is None:
            raise exceptions.AuthenticationFailed(
                "The API token is unknown, expired or revoked. Ask for a new one."
            )
        now = clock.now()
        if token.last_used_at is None or now - token.last_used_at > _TOUCH_AFTER:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


def client_ip(request: HttpRequest) -> str:
    """The client's address; X-Forwarded-For counts only behind the stated number of proxies."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    count = settings.TRUSTED_PROXY_COUNT
    if count and len(hops) >= count and hops[-count]:
        return hops[-count]
    return str(request.META.get("REMOTE_ADDR", ""))


def actor_of_request(request: Any) -> Actor:
    """The actor of a request of a signed-in account or a token."""
    token = getattr(request, "auth", None)
    session = getattr(request, "session", None)
    label = ""
    if isinstance(token, ApiToken):
        label = f"token:{token.prefix}"
    elif session is not None and session.session_key:
        # Never the key itself: it is a credential.
        label = f"session:{sha256_hex(session.session_key.encode())[:12]}"
    return actor_of(
        request.user, ip=client_ip(request), session=label, request_id=request_id_var.get()
    )
