"""How allauth behaves here: nobody signs up by himself; second factors are encrypted at rest."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from config.core import keys

from .authentication import client_ip


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Accounts are opened by an administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that rate limits count by; the same as in the audit trail."""
        return client_ip(request) or "unknown"


class EncryptedMfaAdapter(DefaultMFAAdapter):
    """Secrets of second factors under the data key."""

    def encrypt(self, text: str) -> str:
        """Fernet text of ``text``."""
        return keys.encrypt(text).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret again."""
        return keys.decrypt(encrypted_text.encode())

    def get_totp_label(self, user: Any) -> str:
        """What an authenticator app shows."""
        return str(user.get_username())
