"""``manage.py ensure_admin``: opens the first administrator's account, once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.accounts.services import administrators
from config.core.actors import SYSTEM
from config.core.errors import DomainError


class Command(BaseCommand):
    help = "Open the administrator named by FORMULARY_ADMIN_USER; safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        username = settings.FORMULARY_ADMIN_USER
        if not username:
            self.stdout.write("FORMULARY_ADMIN_USER is not set: no administrator was opened.")
            return
        try:
            _, created = administrators.ensure_administrator(
                username=username, password=settings.FORMULARY_ADMIN_PASSWORD, actor=SYSTEM
            )
        except DomainError as error:
            raise CommandError(
                f"FORMULARY_ADMIN_USER and FORMULARY_ADMIN_PASSWORD: {error.message} {error.fix}"
            ) from error
        state = "opened" if created else "there already; its password was not touched"
        self.stdout.write(f"Administrator {username}: {state}.")
