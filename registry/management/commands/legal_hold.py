"""``manage.py legal_hold place|release|list``: bytes that must not be erased."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.actors import Actor
from config.core.errors import DomainError
from registry import selectors
from registry.artifact_selectors import open_holds
from registry.services import holds


class Command(BaseCommand):
    help = "Place, release or list legal holds on the files of a version, or on digests."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        place = acts.add_parser("place", help="hold a version's files, or bytes by digest")
        place.add_argument("--version-ref", help="such as triage@v1")
        place.add_argument("--sha256", action="append", default=[])
        place.add_argument("--matter", required=True, help="the case or the duty")
        place.add_argument("--reason", required=True)
        place.add_argument("--by", required=True, help="whose decision it is")
        release = acts.add_parser("release", help="end a hold")
        release.add_argument("hold", type=UUID)
        release.add_argument("--reason", required=True)
        release.add_argument("--by", required=True, help="whose decision it is")
        acts.add_parser("list", help="what is held now")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['act']}")(options)
        except DomainError as error:
            raise CommandError(f"{error.message} {error.fix}") from error

    def _place(self, options: dict[str, Any]) -> None:
        if bool(options["version_ref"]) == bool(options["sha256"]):
            raise CommandError("Give either --version-ref or --sha256.")
        words = {name: options[name] for name in ("matter", "reason")}
        actor = _actor(options)
        if options["version_ref"]:
            version = selectors.version_by_ref(options["version_ref"])
            placed = holds.place_on_version(version=version, actor=actor, **words)
        else:
            placed = holds.place(sha256s=options["sha256"], actor=actor, **words)
        for hold in placed:
            self.stdout.write(f"{hold.uuid} {hold.sha256}")

    def _release(self, options: dict[str, Any]) -> None:
        holds.release(uuid=options["hold"], reason=options["reason"], actor=_actor(options))

    def _list(self, options: dict[str, Any]) -> None:
        for hold in open_holds():
            self.stdout.write(f"{hold.uuid} {hold.sha256} {hold.matter}: {hold.reason}")


def _actor(options: dict[str, Any]) -> Actor:
    return Actor(kind="shell", name=options["by"][:150])
