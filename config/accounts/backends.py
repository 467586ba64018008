"""Sign-in, and Django permissions derived from roles; superusers have no bypass for acts."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend


class RoleBackend(AuthenticationBackend):
    """allauth's password check; what an account may do comes from its roles alone."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Viewing is for everybody with a console account; changes go through services."""
        return bool(
            user_obj.is_active and user_obj.is_staff and perm.partition(".")[2].startswith("view_")
        )

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Every room is visible in the console."""
        return bool(user_obj.is_active and user_obj.is_staff)
