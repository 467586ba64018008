"""``manage.py grant_role USER ROLE [--end]``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.accounts.roles import Role
from config.accounts.selectors import account
from config.accounts.services import roles
from config.core.actors import SYSTEM
from config.core.errors import DomainError


class Command(BaseCommand):
    help = "Grant a role to an account, or end it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the account")
        parser.add_argument("role", choices=[str(role) for role in Role])
        parser.add_argument("--end", action="store_true", help="end the role instead")

    def handle(self, *args: Any, **options: Any) -> None:
        role = Role(options["role"])
        try:
            user = account(options["user"])
            if options["end"]:
                roles.end(user=user, role=role, actor=SYSTEM)
            else:
                roles.grant(user=user, role=role, granted_by=None, actor=SYSTEM)
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(f"{user.username}: {role} {'ended' if options['end'] else 'granted'}")
