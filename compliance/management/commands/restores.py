"""Says whether serving is held after a restore: exit 0 no, 1 held, 2 could not be read."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from compliance.errors import CheckpointUnreadable
from compliance.selectors.restores import held
from compliance.services import restores

_NOBODY = "Nobody has asked to resume yet: Today has the form."


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restores.begin()
            rows = list(held().select_related("resume_asked_by"))
        except (OSError, CheckpointUnreadable, DatabaseError) as error:
            self.stderr.write(f"Could not be read: {error}")
            sys.exit(2)
        for row in rows:
            asked = row.resume_asked_by
            said = f"{asked} asked to resume; a second person is due." if asked else _NOBODY
            self.stdout.write(
                f"HELD since {row.noticed_at:%Y-%m-%d %H:%M:%S} UTC, {row.uuid}\n"
                f"  outside the database: {row.evidence}\n"
                f"  audit trail: {row.trail_size} entries, checkpoint of {row.checkpoint_size}; "
                f"changes of stops: {row.stops_epoch}, listed {row.listed_epoch}\n"
                f"  {said}"
            )
        if rows:
            sys.exit(1)
        self.stdout.write("Nothing is held.")
