"""``manage.py check_adapter PATH --base NAME_OR_FOLDER``: the package checks by themselves."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from compliance.checks.package_report import (
    Base,
    PackageReport,
    PathUnusable,
    folder_base,
    report_on,
)
from compliance.checks.smoke import run_smoke
from compliance.domain.results import Finding, Severity, State, Verdict
from config.core.errors import DomainError

USAGE, BLOCKED = 2, 1


class Command(BaseCommand):
    """Exit 0 when nothing blocks, 1 when something does, 2 when nothing could be checked."""

    help = (
        "Check a PEFT adapter (a folder or a ZIP archive) against a base model. Exit 0: nothing "
        "blocks; 1: something does; 2: the package or the base can't be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", metavar="PATH", help="the adapter's folder or ZIP archive")
        parser.add_argument(
            "--base",
            required=True,
            metavar="NAME_OR_FOLDER",
            help="a registered base model, or the folder of one (then no database is needed)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--smoke", action="store_true", help="also generate with the adapter (needs torch)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for name, text in (("PATH", options["path"]), ("--base", options["base"])):
            if not text.strip():
                # Path("") is the current folder, which nobody means by an empty variable.
                raise CommandError(f"{name} is empty. Name a folder or a file.", returncode=USAGE)
        try:
            base = _find_base(options["base"])
            smoke = run_smoke if options["smoke"] else None
            report = report_on(Path(options["path"]), base, smoke=smoke)
        except DomainError as problem:
            raise CommandError(f"{problem.message}. {problem.fix}", returncode=USAGE) from problem
        except PathUnusable as problem:
            raise CommandError(str(problem), returncode=USAGE) from problem
        except OSError as problem:
            where = problem.filename or options["path"]
            raise CommandError(
                f"{where} can't be read: {problem.strerror}", returncode=USAGE
            ) from problem
        except EOFError as problem:
            raise CommandError(f"{problem}. Try again.", returncode=USAGE) from problem
        if options["json"]:
            self.stdout.write(report.as_json())
        else:
            self._print(report)
        if report.verdict is Verdict.BLOCKED:
            raise SystemExit(BLOCKED)

    def _print(self, report: PackageReport) -> None:
        groups: dict[str, list[Finding]] = {
            "Blocking": [],
            "Warnings": [],
            "In order": [],
            "Not applicable": [],
        }
        for finding in report.findings:
            groups[_group(finding)].append(finding)
        styles = {"Blocking": self.style.ERROR, "Warnings": self.style.WARNING}
        for title, findings in groups.items():
            if not findings:
                continue
            style = styles.get(title, self.style.SUCCESS)
            self.stdout.write(style(f"{title} ({len(findings)})"))
            for finding in findings:
                self.stdout.write(f"  {finding.id}  {finding.message}")
                if title in ("Blocking", "Warnings"):
                    self.stdout.write(f"          at   {finding.object}")
                    self.stdout.write(f"          mend {finding.fix}")
        blocked = report.verdict is Verdict.BLOCKED
        last = (
            self.style.ERROR("Verdict: blocked")
            if blocked
            else self.style.SUCCESS("Verdict: nothing blocks")
        )
        self.stdout.write(last)


def _group(finding: Finding) -> str:
    if finding.is_blocking:
        return "Blocking"
    if finding.state is State.NOT_APPLICABLE:
        return "Not applicable"
    return "Warnings" if finding.severity is not Severity.INFO else "In order"


def _find_base(name: str) -> Base:
    """The base in the folder ``name``, or the registered one of that name.

    Raises:
        CommandError: there is no such folder and no such base.
        BaseFolderInvalid: the folder holds no base model.
    """
    if Path(name).is_dir():
        return folder_base(Path(name))
    prepared = settings.MODELS_FOLDER / name
    try:
        registered = _registered_base(name)
    except DatabaseError as problem:
        registered = None
        if not prepared.is_dir():
            raise CommandError(
                f"{name} is no folder, and the registry's database can't be asked for a base of "
                "that name. Give the folder of the base model.",
                returncode=USAGE,
            ) from problem
    if registered is not None:
        return registered
    if "/" not in name and prepared.is_dir():
        return folder_base(prepared)
    raise CommandError(
        f"{name} is neither a folder nor a registered base model. Give the folder of the base "
        "model, or register it with manage.py import_base.",
        returncode=USAGE,
    )


def _registered_base(name: str) -> Base | None:
    # Here, because with a folder no model is ever imported.
    from compliance.selectors.package_reports import registered
    from registry.models import BaseModel

    for row in BaseModel.objects.order_by("slug"):
        if name in row.known_names:
            return registered(row)
    return None
