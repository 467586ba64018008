"""``manage.py collect_garbage [--dry-run]``: erase bytes that nothing has needed for long."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core.actors import SYSTEM
from registry.services import garbage


class Command(BaseCommand):
    help = "Mark bytes that nothing needs, and erase those marked GARBAGE_GRACE_DAYS ago."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go; keep it")

    def handle(self, *args: Any, **options: Any) -> None:
        done = garbage.collect(actor=SYSTEM, is_dry=options["dry_run"])
        for sha256 in done.sha256s:
            self.stdout.write(sha256)
        dropped = "would be dropped" if done.is_dry else "dropped"
        verb = "would be erased" if done.is_dry else "were erased"
        self.stdout.write(
            f"{len(done.sha256s)} blobs of {done.size_bytes} bytes {verb}; {done.waiting} wait for "
            f"the grace period ({done.newly_unneeded} of them seen for the first time), "
            f"{done.held} are kept by a hold; {done.dropped_artifacts} replaced artifacts and "
            f"{done.dropped_backups} old backups of avatars {dropped}."
        )
        if done.refused:
            raise CommandError(
                f"The store did not let {done.refused} blobs go. They are tried again next time; "
                "if it lasts, look at the store's state and what its account may delete."
            )
