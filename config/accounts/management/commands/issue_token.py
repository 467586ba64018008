"""``manage.py issue_token USER [--scope …]… [--days N] [--name X]``: prints the token alone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.accounts.selectors import account
from config.accounts.services import tokens
from config.core.actors import SYSTEM
from config.core.errors import DomainError


class Command(BaseCommand):
    help = "Issue an API token; standard output is its text and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name of the account")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            help="what the token may do; may be given several times; without it, all that the "
            "account's roles let a program do",
        )
        parser.add_argument("--days", type=int, default=90, help="how long it is valid")
        parser.add_argument("--name", default="command line", help="the program that uses it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = account(options["user"])
            _, text = tokens.issue(
                user=user,
                name=options["name"],
                scopes=options["scope"] or tokens.default_scopes(user),
                days=options["days"],
                actor=SYSTEM,
            )
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(text)
