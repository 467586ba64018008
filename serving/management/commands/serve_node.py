"""``manage.py serve_node``: run one engine with one base model behind HTTP."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.errors import DomainError
from serving.node.server import add_arguments, options_from, serve


class Command(BaseCommand):
    """Thin: options in, ``serving.node.server.serve`` does the rest. The database is not used."""

    help = "Serve one base model with adapters in slots, until SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The node's options."""
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the node."""
        import argparse

        arguments = argparse.Namespace(**options)
        try:
            serve(options_from(arguments, models=settings.MODELS_FOLDER))
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}", returncode=2) from error
