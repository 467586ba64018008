"""``manage.py create_user NAME --printed-name … --role …``: a person's account with roles."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.accounts.roles import Role
from config.accounts.services import enrolment
from config.core.actors import SYSTEM
from config.core.errors import DomainError


class Command(BaseCommand):
    help = "Open an account; the password is read from standard input or asked for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the account")
        parser.add_argument("--printed-name", required=True, help="the person's name")
        parser.add_argument(
            "--employee-id", help="the identity provider's id; one that exists gets the account"
        )
        parser.add_argument(
            "--role", action="append", default=[], choices=[str(role) for role in Role]
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = (
            getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip()
        )
        try:
            user = enrolment.enrol(
                username=options["user"],
                password=password,
                printed_name=options["printed_name"],
                employee_id=options["employee_id"] or options["user"],
                roles=[Role(role) for role in options["role"]],
                actor=SYSTEM,
            )
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(f"{user.username}: {', '.join(options['role']) or 'no role yet'}")
