"""allauth's code forms, with codes that are spent in the database and not in a cache."""

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.base.internal.flows import check_rate_limit
from allauth.mfa.models import Authenticator

from .services.second_factors import TotpVerifier


class _SpendingMixin:
    """A TOTP code counts once everywhere: at sign-in, at re-authentication and at signing."""

    user: Any
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        """Verify the code as allauth does, TOTP by our verifier, recovery codes by allauth's."""
        allow_more = check_rate_limit(self.user)
        code = str(self.cleaned_data["code"])
        factors = {factor.type: factor for factor in Authenticator.objects.filter(user=self.user)}
        totp = factors.get(Authenticator.Type.TOTP)
        recovery = factors.get(Authenticator.Type.RECOVERY_CODES)
        used = None
        if totp is not None and TotpVerifier().verify(self.user, code):
            used = totp
        elif recovery is not None and recovery.wrap().validate_code(code):
            used = recovery
        if used is None:
            if totp is not None:
                self._emit_authentication_failed(totp)  # type: ignore[attr-defined]
            raise get_adapter().validation_error("incorrect_code")
        used.user = self.user
        self.authenticator = used
        allow_more()
        return code


class SpendingAuthenticateForm(_SpendingMixin, AuthenticateForm):
    """The code page at sign-in."""


class SpendingReauthenticateForm(_SpendingMixin, ReauthenticateForm):
    """The code page at re-authentication."""
