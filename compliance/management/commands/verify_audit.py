"""Verifies the audit trail: exit 0 clean, 1 failure, 2 could not be read."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from compliance.errors import CheckpointUnreadable
from compliance.selectors.audit import explain
from compliance.services.verification import Report, verify, verify_and_record

MAX_SEQUENCE = 2**63 - 1


class EntryUnknown(Exception):
    """The trail has no sealed entry of the number that is to be explained."""


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--checkpoint", type=Path, help="a copy kept outside the database")
        parser.add_argument("--explain", type=int, metavar="N", help="print entry N and its hashes")
        parser.add_argument(
            "--record", action="store_true", help="write the result into the trail, as each night"
        )
        parser.add_argument("--json", action="store_true", dest="is_json")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["record"] and options["checkpoint"]:
            raise CommandError("--record is of every checkpoint file: leave --checkpoint out.")
        try:
            report = (
                verify_and_record()
                if options["record"]
                else verify(checkpoint_file=options["checkpoint"])
            )
            explained = self._explain(options["explain"])
        except (CheckpointUnreadable, EntryUnknown) as error:
            self._unreadable(str(error), is_json=options["is_json"])
        except DatabaseError as error:
            # Its text may name a host, never a row: the verifier's queries carry no data.
            self._unreadable(f"The database can't be read: {error}", is_json=options["is_json"])
        if options["is_json"]:
            body = report.as_dict() | ({"explain": explained} if explained else {})
            self.stdout.write(json.dumps(body, indent=2, ensure_ascii=False))
        else:
            self._print(report, explained)
        if not report.is_clean:
            sys.exit(1)

    def _explain(self, sequence: int | None) -> list[dict[str, Any]] | None:
        if sequence is None:
            return None
        # A number beyond the column's range names no entry either.
        found = explain(sequence) if 0 < sequence < MAX_SEQUENCE else []
        if not any(entry["sequence"] == sequence for entry in found):
            raise EntryUnknown(f"there is no entry {sequence} in the trail to explain")
        return found

    def _print(self, report: Report, explained: list[dict[str, Any]] | None) -> None:
        for line in report.lines:
            self.stdout.write(f"{'OK' if line.is_ok else 'FAIL':<5} {line.what:<14} {line.text}")
        for entry in explained or []:
            self.stdout.write(json.dumps(entry, indent=2, ensure_ascii=False))
        failures = sum(not line.is_ok for line in report.lines)
        noun = "failure" if failures == 1 else "failures"
        self.stdout.write(f"RESULT  {failures} {noun}   exit {0 if report.is_clean else 1}")

    def _unreadable(self, message: str, *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps({"result": "unreadable", "message": message}))
        else:
            self.stderr.write(f"RESULT  could not be read: {message}")
        sys.exit(2)
