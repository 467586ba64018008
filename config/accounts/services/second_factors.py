"""Second factors: TOTP over allauth's own tables now, passkeys beside it later."""

from typing import Any, Protocol

from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache
from django.db import transaction
from django.utils.crypto import constant_time_compare

from config.accounts.errors import SecondFactorLocked
from config.accounts.events import SecondFactorEnrolled
from config.accounts.models import TotpUse, User
from config.core import clock
from config.core.actors import Actor
from config.core.events import publish

MAX_FAILURES = 5
LOCK_SECONDS = 300


class Verifier(Protocol):
    """One kind of second factor. A passkey's proof is its assertion as JSON, a TOTP's its code."""

    kind: str

    def is_enrolled(self, user: User) -> bool:
        """Whether the account has this factor."""

    def verify(self, user: User, proof: str) -> bool:
        """Whether ``proof`` is right and was never used before; using it up is part of this."""


class TotpVerifier:
    """RFC 6238 codes; each time step counts once, however often its code is shown."""

    kind = str(Authenticator.Type.TOTP)

    def is_enrolled(self, user: User) -> bool:
        """Whether the account has a TOTP secret."""
        return _totp(user) is not None

    def verify(self, user: User, proof: str) -> bool:
        """Compare with the codes around now, and spend the time step by compare-and-set."""
        authenticator = _totp(user)
        if authenticator is None:
            return False
        counter = _matching_counter(authenticator, proof)
        if counter is None:
            return False
        TotpUse.objects.get_or_create(user=user)
        return bool(
            TotpUse.objects.filter(user=user, last_counter__lt=counter).update(last_counter=counter)
        )


VERIFIERS: tuple[Verifier, ...] = (TotpVerifier(),)


def is_enrolled(user: User) -> bool:
    """Whether the account has any second factor."""
    return any(verifier.is_enrolled(user) for verifier in VERIFIERS)


def enrol_totp(*, user: User, actor: Actor) -> str:
    """Give the account a new TOTP secret (base32), replacing the one it had; shown this once."""
    secret = generate_totp_secret()
    with transaction.atomic():
        Authenticator.objects.update_or_create(
            user=user,
            type=Authenticator.Type.TOTP,
            defaults={
                "data": {"secret": get_adapter().encrypt(secret)},
                "created_at": clock.now(),
                "last_used_at": None,
            },
        )
        TotpUse.objects.update_or_create(user=user, defaults={"last_counter": 0})
        publish(
            SecondFactorEnrolled(
                actor=actor,
                object_type="user",
                object_id=str(user.pk),
                diff={"second_factor": [None, "totp"]},
            )
        )
    return secret


def spend_current_code(user: User) -> None:
    """Spend the time step of now: its code was typed on the page that set the factor up."""
    counter = int(clock.now().timestamp()) // mfa_settings.TOTP_PERIOD
    TotpUse.objects.update_or_create(user=user, defaults={"last_counter": counter})


def verify(*, user: User, code: str) -> bool:
    """Whether ``code`` proves one of the account's second factors; it can't be used again.

    Raises:
        SecondFactorLocked: too many wrong codes within five minutes.
    """
    key = f"second-factor-failures:{user.pk}"
    # Counted in the cache and not in a row: the count must outlive a refused act's rollback.
    if cache.get(key, 0) >= MAX_FAILURES:
        raise SecondFactorLocked(
            f"{MAX_FAILURES} wrong codes were given for this account.",
            fix="Wait five minutes. If it was not you, tell the administrator.",
            retry_after_seconds=LOCK_SECONDS,
        )
    if any(factor.is_enrolled(user) and factor.verify(user, code) for factor in VERIFIERS):
        cache.delete(key)
        return True
    if not cache.add(key, 1, timeout=LOCK_SECONDS):
        try:
            cache.incr(key)
        except ValueError:  # it ran out between the two lines
            cache.set(key, 1, timeout=LOCK_SECONDS)
    return False


def totp_code(secret: str, *, step: int = 0) -> str:
    """The code that an authenticator app shows ``step`` periods from now (RFC 6238)."""
    counter = int(clock.now().timestamp()) // mfa_settings.TOTP_PERIOD + step
    return format_hotp_value(hotp_value(secret, counter))


def _totp(user: User) -> Any:
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()


def _matching_counter(authenticator: Any, code: str) -> int | None:
    secret = get_adapter().decrypt(authenticator.data["secret"])
    given = code.replace(" ", "")
    now = int(clock.now().timestamp()) // mfa_settings.TOTP_PERIOD
    tolerance = mfa_settings.TOTP_TOLERANCE
    for counter in range(now - tolerance, now + tolerance + 1):
        if constant_time_compare(given, format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None
