"""``formulary check``: a package on this machine, or what the server found on a version."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.core.pauses import growing

from .api import Api
from .endings import Away, Exit, Refused, WrongUse
from .screen import Screen

OPEN_STATES = frozenset({"waiting", "running"})
LETS_PASS = frozenset({"pass", "not_applicable", "warn"})
# The evidence of a version that nobody evaluated yet always blocks; so it is asked for by name.
PACKAGE, EVIDENCE = frozenset({"package"}), frozenset({"evidence", "live"})
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Report:
    """Findings in the form of check_adapter: blocking ones first."""

    is_blocked: bool
    findings: Sequence[dict[str, str]]

    @property
    def exit(self) -> Exit:
        """0 where nothing blocks, 1 where something does."""
        return Exit.REFUSED if self.is_blocked else Exit.OK

    def as_dict(self) -> dict[str, Any]:
        """``verdict`` and ``findings``."""
        return {
            "verdict": "blocked" if self.is_blocked else "pass",
            "findings": list(self.findings),
        }

    def lines(self) -> list[str]:
        """For people: what blocks or warns with its fix, and the verdict."""
        lines = []
        for row in self.findings:
            if is_blocking(row) or row["severity"] == "warning":
                word = "BLOCKS" if is_blocking(row) else "warns"
                lines.append(f"  {word:6}  {row['id']}  {row['message']}")
                lines += [f"          at   {row['object']}"] if row["object"] else []
                lines += [f"          mend {row['fix']}"] if row["fix"] else []
        verdict = "blocked" if self.is_blocked else "nothing blocks"
        return [*lines, f"Verdict: {verdict} ({len(self.findings)} findings)"]


def check_path(screen: Screen, *, path: Path, base: str) -> Exit:
    """The package checks on this machine, as the server will run them; no server is asked.

    Raises:
        WrongUse: the package or the base can't be read.
    """
    from config.core.errors import DomainError

    # Here, because numbers and tokenizers take a second to import, and other commands need none.
    from .package_checks import PathUnusable, report_on_package

    try:
        verdict, findings = report_on_package(path, _base_folder(base))
    except DomainError as error:
        raise WrongUse(error.message, fix=error.fix, code=error.code) from error
    except PathUnusable as error:
        raise WrongUse(str(error)) from error
    except OSError as error:
        raise WrongUse(f"{path} can't be read: {error.strerror or error}") from error
    report = Report(verdict == "blocked", findings)
    screen.result(report.as_dict(), report.lines())
    return report.exit


def check_ref(
    api: Api, screen: Screen, *, ref: str, with_evidence: bool, timeout_seconds: float
) -> Exit:
    """What the server found on a version; runs under way are waited for."""
    kinds = PACKAGE | EVIDENCE if with_evidence else PACKAGE
    runs = wait_for_checks(api, ref, kinds=kinds, timeout_seconds=timeout_seconds)
    report = report_of(runs)
    screen.result({"version": ref, **report.as_dict()}, [ref, *report.lines()])
    return report.exit


def wait_for_checks(
    api: Api, ref: str, *, timeout_seconds: float, kinds: frozenset[str] = PACKAGE
) -> list[dict[str, Any]]:
    """The newest run of each kind, when none is under way.

    Raises:
        Away: they are not over in time.
    """
    deadline = time.monotonic() + timeout_seconds
    pauses = growing(longest_seconds=LOOK_SECONDS)
    while True:
        newest: dict[str, dict[str, Any]] = {}
        for run in api.newest("checks", version=ref):
            if run["kind"] in kinds:
                newest.setdefault(run["kind"], run)
        if newest and not any(run["state"] in OPEN_STATES for run in newest.values()):
            return list(newest.values())
        if time.monotonic() > deadline:
            raise Away(
                f"The checks of {ref} are not over after {timeout_seconds:.0f} s.",
                fix=f"Ask again with: formulary check {ref}",
                code="timeout",
            )
        time.sleep(next(pauses))


def report_of(runs: list[dict[str, Any]]) -> Report:
    """The findings of these runs.

    Raises:
        Refused: a run broke down, so that nothing is known.
    """
    for run in runs:
        if run["state"] == "failed":
            raise Refused(
                f"The {run['kind']} checks broke down: {run['error']}",
                fix="POST /api/v1/checks runs them again.",
                code="checks-failed",
            )
    rows = [
        {
            "id": result["check_id"],
            **{key: str(finding[key]) for key in ("state", "severity", "message", "fix", "object")},
        }
        for run in runs
        for result in run["results"]
        for finding in result["findings"]
    ]
    rows.sort(key=lambda row: (not is_blocking(row), row["severity"] != "warning", row["id"]))
    return Report(any(run["is_blocked"] for run in runs), rows)


def is_blocking(row: dict[str, str]) -> bool:
    """Whether this finding keeps the gate closed."""
    return row["severity"] == "blocking" and row["state"] not in LETS_PASS


def _base_folder(base: str) -> Path:
    """The folder of a base model: as given, or by its name among the prepared ones."""
    if not base:
        raise WrongUse(
            "A package on this machine is checked against a base model.",
            fix="Add --base and the base model's folder.",
        )
    models = os.environ.get("FORMULARY_MODELS", "")
    candidates = [Path(base)]
    if models and "/" not in base:
        candidates.append(Path(models) / base)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise WrongUse(
        f"{base} is no folder of a base model.",
        fix="Give its folder, or set FORMULARY_MODELS to the folder that holds it.",
    )
