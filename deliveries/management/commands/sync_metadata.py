"""Mirrors the metadata of all LoRA entries into the metadata store."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.core.actors import Actor
from deliveries.services import metadata_sync


class Command(BaseCommand):
    help = (
        "Hash the file of every LoRA entry and write its metadata to "
        "s3://METADATA_BUCKET/METADATA_PREFIX/{id}.json, whether METADATA_SYNC is on or not. "
        "Safe to repeat; it also renews the signed addresses of previews."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="look at the files and write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = Actor(kind="system", name="sync_metadata")
        count = failed = 0
        for synced in metadata_sync.sync_all(is_dry_run=options["dry_run"], actor=actor):
            count += 1
            failed += bool(synced.error)
            done = "would mirror" if options["dry_run"] else "mirrored"
            said = f"FAILED {synced.error}" if synced.error else done
            self.stdout.write(f"{synced.entry.name}: {said} -> {synced.address}")
        self.stdout.write(f"{count} entries, {failed} failed")
        if failed:
            raise CommandError(f"{failed} of {count} entries were not mirrored")
