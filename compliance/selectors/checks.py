"""Reads of check runs: the results that count, and what still blocks."""

import json
from dataclasses import dataclass
from datetime import timedelta

from compliance.domain.policy import CURRENT
from compliance.domain.results import HARMLESS, Severity
from compliance.models import CheckResult, CheckRun
from compliance.selectors.snapshots import evidence_snapshot
from compliance.states import RunState
from config.core import clock
from registry.models import Version

GATE_KINDS = (CheckRun.Kind.PACKAGE, CheckRun.Kind.EVIDENCE)


@dataclass(frozen=True)
class Blocker:
    """One thing that keeps the gate closed, and how to mend it."""

    check_id: str
    state: str
    message: str
    fix: str
    object: str = ""

    def as_dict(self) -> dict[str, str]:
        """As an item of a problem response's ``errors``."""
        return {
            "check_id": self.check_id,
            "state": self.state,
            "message": self.message,
            "fix": self.fix,
            "object": self.object,
        }


def latest_run(version: Version, kind: str) -> CheckRun | None:
    """The newest run of a kind, finished or not."""
    return CheckRun.objects.filter(version=version, kind=kind).order_by("-pk").first()


def latest_done(version: Version, kind: str) -> CheckRun | None:
    """The newest finished run of a kind."""
    runs = CheckRun.objects.filter(version=version, kind=kind, state=RunState.DONE)
    return runs.order_by("-pk").first()


def latest_results(version: Version) -> dict[str, CheckResult]:
    """Check id → its newest result, of the package checks and of the evidence checks."""
    found: dict[str, CheckResult] = {}
    for kind in GATE_KINDS:
        run = latest_done(version, kind)
        if run:
            rows = run.results.select_related("run").prefetch_related("findings")
            found.update({row.check_id: row for row in rows})
    return dict(sorted(found.items()))


def is_blocking(result: CheckResult) -> bool:
    """Whether a stored result keeps the gate closed."""
    return result.severity == Severity.BLOCKING and result.state not in HARMLESS


def open_blockers(version: Version) -> list[Blocker]:
    """Everything that keeps the gate closed, with its fix; empty when people may be asked."""
    blockers = [_of_run(version, kind) for kind in GATE_KINDS]
    open_ones = [blocker for blocker in blockers if blocker]
    for result in latest_results(version).values():
        if is_blocking(result):
            open_ones += [
                Blocker(result.check_id, row.state, row.message, row.fix, row.object)
                for row in result.findings.all()
                if row.severity == Severity.BLOCKING and row.state not in HARMLESS
            ]
    return open_ones


def package_passed(version: Version) -> bool:
    """Whether the newest package checks have finished and nothing blocks."""
    run = latest_run(version, CheckRun.Kind.PACKAGE)
    return run is not None and run.state == RunState.DONE and run.is_blocked is False


def is_evidence_current(version: Version) -> bool:
    """Whether the evidence checks have seen what is there now, whatever the hour."""
    run = latest_done(version, CheckRun.Kind.EVIDENCE)
    if run is None or run.policy_version != CURRENT.version:
        return False
    seen, now = json.loads(run.snapshot), dict(evidence_snapshot(version))
    return bool({**seen, "now": None} == {**now, "now": None})


def live_gate_faults(version: Version) -> list[Blocker]:
    """What the last nightly re-check found wrong with an approved version."""
    run = latest_done(version, CheckRun.Kind.LIVE)
    if run is None:
        return []
    return [
        Blocker(result.check_id, row.state, row.message, row.fix, row.object)
        for result in run.results.prefetch_related("findings")
        if is_blocking(result)
        for row in result.findings.all()
        if row.severity == Severity.BLOCKING and row.state not in HARMLESS
    ]


def _of_run(version: Version, kind: str) -> Blocker | None:
    run = latest_run(version, kind)
    where = f"check run {run.uuid}" if run else str(kind)
    if run is None:
        return Blocker(kind, "error", f"The {kind} checks have not run.", "Wait a moment.", where)
    if run.state in {RunState.WAITING, RunState.RUNNING}:
        message = f"The {kind} checks are running. {run.error}".strip()
        return Blocker(kind, "error", message, "Wait until they are done.", where)
    if run.state == RunState.FAILED:
        return Blocker(kind, "error", run.error, "Mend the cause and run the checks again.", where)
    return None


def waiting_runs(*, older_than: timedelta = timedelta(seconds=3)) -> list[int]:
    """Ids of runs that nobody has taken up, oldest first."""
    rows = CheckRun.objects.filter(
        state=RunState.WAITING, requested_at__lt=clock.now() - older_than
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:500])
