"""``manage.py legal_hold place|release|list``: bytes that must not be erased."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.actors import Actor
from config.core.errors import DomainError
from registry import hold_selectors, selectors
from registry.services import holds


class Command(BaseCommand):
    help = "Place, release or list legal holds on the files of a version, or on digests."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("act", choices=["place", "release", "list"])
        parser.add_argument("--version-ref", default="", help="its files; such as triage@v1")
        parser.add_argument("--sha256", action="append", default=[], help="bytes by digest")
        parser.add_argument("--hold", type=UUID, help="the hold that ends")
        parser.add_argument("--matter", default="", help="the case or the duty")
        parser.add_argument("--reason", default="", help="why, in a line")
        parser.add_argument("--by", default="", help="whose decision it is")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['act']}")(options)
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error

    def _place(self, options: dict[str, Any]) -> None:
        if bool(options["version_ref"]) == bool(options["sha256"]):
            raise CommandError("Give either --version-ref or --sha256.")
        target = hold_selectors.Target(tuple(options["sha256"]))
        if options["version_ref"]:
            version = selectors.version_by_ref(options["version_ref"])
            target = hold_selectors.target_of_version(version)
        placed = holds.place(
            sha256s=target.sha256s,
            placed_on=target.placed_on,
            matter=options["matter"],
            reason=options["reason"],
            actor=_actor(options),
        )
        for hold in placed:
            self.stdout.write(f"{hold.uuid} {hold.sha256}")

    def _release(self, options: dict[str, Any]) -> None:
        if options["hold"] is None:
            raise CommandError("Releasing needs --hold, as `legal_hold list` shows it.")
        holds.release(uuid=options["hold"], reason=options["reason"], actor=_actor(options))

    def _list(self, options: dict[str, Any]) -> None:
        for hold in hold_selectors.open_holds():
            self.stdout.write(f"{hold.uuid} {hold.sha256} {hold.matter}: {hold.reason}")


def _actor(options: dict[str, Any]) -> Actor:
    if not options["by"].strip():
        raise CommandError("Say with --by whose decision it is.")
    return Actor(kind="shell", name=options["by"][:150])
