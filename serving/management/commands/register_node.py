"""``manage.py register_node NAME``: enter a node, and print its agent's token if asked to."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.accounts.services import agents
from config.core.actors import SYSTEM
from config.core.errors import DomainError
from registry.selectors import base_model_by_name
from serving.services import nodes


class Command(BaseCommand):
    help = "Register a node, or a new address or secret of one; again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--base", required=True, help="slug or declared name of its base")
        parser.add_argument("--engine", default="torch", choices=["torch", "memory", "vllm"])
        parser.add_argument("--url", required=True, help="http://host:port")
        parser.add_argument("--secret-file", type=Path, help="else FORMULARY_NODE_SECRET")
        parser.add_argument(
            "--issue-agent-token", action="store_true", help="print a new token for its agent"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file = options["secret_file"]
        try:
            secret = (
                file.read_text().strip() if file else os.environ.get("FORMULARY_NODE_SECRET", "")
            )
        except OSError as error:
            raise CommandError(f"{file} can't be read: {error.strerror}") from error
        try:
            node = nodes.register(
                name=options["name"],
                url=options["url"],
                secret=secret,
                base_model=base_model_by_name(options["base"]),
                engine=options["engine"],
                actor=SYSTEM,
            )
            if options["issue_agent_token"]:
                _, text = agents.issue_agent_token(node_name=node.name, actor=SYSTEM)
                self.stdout.write(text)
            else:
                self.stdout.write(f"{node.name} is registered at {node.url}.")
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error
