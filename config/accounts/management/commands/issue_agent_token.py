"""``manage.py issue_agent_token NODE``: prints the token of a node's agent alone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.accounts.services import agents
from config.core.actors import SYSTEM
from config.core.errors import DomainError


class Command(BaseCommand):
    help = "Issue the token of a node's agent; the one it had before is revoked."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", help="the node's name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _, text = agents.issue_agent_token(node_name=options["node"], actor=SYSTEM)
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
        self.stdout.write(text)
