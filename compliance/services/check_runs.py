"""Opens check runs, and executes them once each over a frozen snapshot."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from compliance.checks import CHECKS, runner
from compliance.domain.check import EVIDENCE, PACKAGE
from compliance.domain.policy import CURRENT
from compliance.domain.results import CheckResult as Result
from compliance.domain.results import Verdict, results_sha256
from compliance.domain.snapshot import Snapshot, snapshot_sha256
from compliance.events import CheckRunFinished
from compliance.models import CheckResult, CheckRun, Finding
from compliance.selectors.snapshots import evidence_snapshot, package_snapshot
from compliance.services import audit
from compliance.services.package_source import collect
from compliance.states import RUN_MOVES, RunState
from config.core import clock
from config.core.actors import SYSTEM
from config.core.digests import canonical_json
from config.core.errors import Conflict, DomainError
from config.core.events import publish
from config.core.failpoints import failpoint
from config.core.heartbeats import beating
from config.core.states import move
from registry.models import Version

MAX_ATTEMPTS = 5
LIVE_CHECKS = frozenset({"HIP-06"})
"""Checks on what is stored now: repeated nightly, able to block releases, in no record."""

log = structlog.get_logger(__name__)


def open(*, version: Version, kind: str) -> CheckRun:
    """Ask for a run; one that waits already is used, since it will see what is there then.

    A worker is nudged by the caller's door, or takes it up at its next sweep.
    """
    with transaction.atomic():
        # The lock keeps a worker from reading the facts before the caller's change is committed.
        waiting = CheckRun.objects.select_for_update(no_key=True).filter(
            version=version, kind=kind, state=RunState.WAITING
        )
        return waiting.first() or CheckRun.objects.create(version=version, kind=kind)


def execute(*, run_id: int) -> bool:
    """Run the checks; False when another worker has or had it.

    Facts are gathered outside of any transaction; results are written in one, only while this
    attempt still owns the run.
    """
    run = CheckRun.objects.select_related("version__adapter__base_model").get(pk=run_id)
    if run.state != RunState.WAITING:
        return False
    started = clock.now()
    try:
        move(
            run,
            table=RUN_MOVES,
            to=RunState.RUNNING,
            started_at=started,
            heartbeat_at=started,
            attempts=run.attempts + 1,
        )
    except Conflict:
        return False
    failpoint("checks.begun")
    with beating(lambda: _beat(run, started_at=started)):
        return _execute(run, started_at=started)


def _execute(run: CheckRun, *, started_at: datetime) -> bool:
    try:
        snapshot = _snapshot(run)
    except OSError as error:
        # The store may be back in a moment: the sweep tries again.
        log.warning("check run waits for the store", run=str(run.uuid), error=type(error).__name__)
        _give_back(run, started_at=started_at, error=type(error).__name__)
        return False
    except DomainError as error:
        log.warning("check run failed", run=str(run.uuid), code=error.code)
        return _finish_failed(run, started_at=started_at, message=error.message)
    results = _judge(run, snapshot)
    failpoint("checks.before_results")
    return _finish(run, started_at=started_at, snapshot=snapshot, results=results)


def requeue_stale() -> int:
    """Give runs whose worker fell silent back to the queue, or up; how many."""
    silent_since = clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)
    stale = CheckRun.objects.filter(state=RunState.RUNNING).filter(
        Q(heartbeat_at__lt=silent_since) | Q(heartbeat_at=None)
    )
    return sum(_take_back(run) for run in stale.select_related("version__adapter"))


def _take_back(run: CheckRun) -> bool:
    assert run.started_at is not None, "running"
    if run.attempts >= MAX_ATTEMPTS:
        return _finish_failed(
            run,
            started_at=run.started_at,
            message=f"its worker ended in the middle {run.attempts} times",
        )
    with transaction.atomic():
        changed = _mine(run, run.started_at).update(state=RunState.WAITING, started_at=None)
        if changed:
            audit.record(
                action="check_run.taken_over",
                actor=SYSTEM,
                object_type="check_run",
                object_id=str(run.uuid),
                diff={
                    "state": [str(RunState.RUNNING), str(RunState.WAITING)],
                    "attempts": [run.attempts, run.attempts + 1],
                },
                reason=f"The worker of attempt {run.attempts} fell silent.",
            )
    return bool(changed)


def _beat(run: CheckRun, *, started_at: datetime) -> None:
    try:
        _mine(run, started_at).update(heartbeat_at=clock.now())
    finally:
        connection.close()


def _snapshot(run: CheckRun) -> Snapshot:
    if run.kind == CheckRun.Kind.EVIDENCE:
        return evidence_snapshot(run.version)
    return package_snapshot(run.version, collect(run.version))


def _judge(run: CheckRun, snapshot: Snapshot) -> tuple[Result, ...]:
    if run.kind == CheckRun.Kind.LIVE:
        chosen = [check for check in CHECKS if check.id in LIVE_CHECKS]
        return runner.run_checks(chosen, snapshot, CURRENT)
    tag = EVIDENCE if run.kind == CheckRun.Kind.EVIDENCE else PACKAGE
    return runner.run(snapshot, CURRENT, tags=frozenset({tag}))


def _finish(
    run: CheckRun, *, started_at: datetime, snapshot: Snapshot, results: tuple[Result, ...]
) -> bool:
    verdict = runner.verdict(results)
    digest = snapshot_sha256(snapshot)
    with transaction.atomic():
        changed = _mine(run, started_at).update(
            state=RunState.DONE,
            error="",
            policy_version=CURRENT.version,
            snapshot=canonical_json(snapshot).decode(),
            snapshot_sha256=digest,
            is_blocked=verdict is Verdict.BLOCKED,
            finished_at=clock.now(),
        )
        if not changed:
            return False
        _store(run, results)
        # In the trail too: a result that somebody edits before it is signed is found as well.
        found = results_sha256((row.check_id, row.result_sha256) for row in results)
        _publish_finished(
            run,
            verdict=str(verdict),
            snapshot_sha256=digest,
            results_sha256=found,
        )
    return True


def _store(run: CheckRun, results: Sequence[Result]) -> None:
    rows = CheckResult.objects.bulk_create(
        CheckResult(
            run=run,
            check_id=result.check_id,
            check_version=result.check_version,
            title=result.title,
            state=result.state,
            severity=result.severity,
            mode=result.mode,
            values=dict(result.values),
            thresholds=dict(result.thresholds),
            result_sha256=result.result_sha256,
        )
        for result in results
    )
    Finding.objects.bulk_create(
        Finding(
            result=row,
            severity=finding.severity,
            state=finding.state,
            message=finding.message,
            fix=finding.fix,
            object=finding.object,
        )
        for row, result in zip(rows, results, strict=True)
        for finding in result.findings
    )


def _mine(run: CheckRun, started_at: datetime) -> QuerySet[CheckRun]:
    """The run, if this attempt still owns it."""
    return CheckRun.objects.filter(pk=run.pk, state=RunState.RUNNING, started_at=started_at)


def _give_back(run: CheckRun, *, started_at: datetime, error: str) -> None:
    _mine(run, started_at).update(
        state=RunState.WAITING, started_at=None, error=f"The blob store does not answer: {error}"
    )


def _finish_failed(run: CheckRun, *, started_at: datetime, message: str) -> bool:
    with transaction.atomic():
        changed = _mine(run, started_at).update(
            state=RunState.FAILED,
            is_blocked=True,
            error=f"The facts could not be gathered: {message}"[:500],
            finished_at=clock.now(),
        )
        if changed:
            _publish_finished(run, verdict="failed")
    return bool(changed)


def _publish_finished(run: CheckRun, *, verdict: str, **digests: str) -> None:
    publish(
        CheckRunFinished(
            actor=SYSTEM,
            object_type="check_run",
            object_id=str(run.uuid),
            diff={
                "version": [None, run.version.runtime_name],
                "kind": [None, run.kind],
                "verdict": [None, verdict],
                **{name: [None, digest] for name, digest in digests.items()},
            },
            run_id=run.pk,
        )
    )
