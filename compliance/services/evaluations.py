"""Evaluation runs: asked for here, run by serving on a node, graded and recorded here."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from compliance.domain.grading import GRADERS
from compliance.domain.policy import CURRENT
from compliance.errors import AttemptOver, ChecksNotPassed, DigestIsStopped
from compliance.events import EvaluationFailed, EvaluationRecorded, EvaluationRequested
from compliance.models import (
    CheckRun,
    EvaluationItem,
    EvaluationRow,
    EvaluationRun,
    EvaluationSet,
    Permission,
)
from compliance.selectors.checks import open_blockers, package_passed
from compliance.selectors.evaluations import done_runs, rows_sha256
from compliance.selectors.stops import is_stopped
from compliance.services import audit, check_runs, permissions
from compliance.states import RUN_MOVES, Purpose, RunState
from config.accounts.models import User
from config.core import clock, keys
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from config.core.states import move
from registry.models import Version


def silent_since() -> datetime:
    """A run whose last heartbeat is older than this has no worker any more."""
    return clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)


def request(
    *,
    version: Version,
    evaluation_set: EvaluationSet,
    user: User,
    actor: Actor,
    engine_build: str = "",
    dtype: str = "",
) -> EvaluationRun:
    """Ask that a set be run through a version, under a permission for this run alone.

    A recorded run that is bound to the same bytes, base, template (and engine build and dtype,
    where the caller names them) is returned instead, and so is one in progress.

    Raises:
        ChecksNotPassed: the package checks of this version have not passed.
        DigestIsStopped: the digest is withdrawn.
    """
    refused: ChecksNotPassed | DigestIsStopped | None = None
    if not package_passed(version):
        refused = ChecksNotPassed(
            f"{version.runtime_name} may not run on a node before its package checks have passed.",
            fix="Wait for the checks or mend what they found.",
            errors=[blocker.as_dict() for blocker in open_blockers(version)],
        )
    elif is_stopped(version.digest):
        refused = DigestIsStopped(
            f"{version.runtime_name} is stopped everywhere.",
            fix="Two persons can release the stop.",
        )
    if refused:
        audit.record_refusal(
            action="evaluation.refused",
            actor=actor,
            object_type="version",
            object_id=str(version.uuid),
            reason=refused.message,
        )
        raise refused
    with transaction.atomic():
        Version.objects.select_for_update(no_key=True).get(pk=version.pk)
        found = _reusable(version, evaluation_set, engine_build, dtype)
        if found:
            if found.state == RunState.DONE and found.version_id != version.pk:
                check_runs.open(version=version, kind=CheckRun.Kind.EVIDENCE)
            return found
        base = version.adapter.base_model
        run = EvaluationRun.objects.create(
            version=version,
            evaluation_set=evaluation_set,
            base_model=base,
            digest=version.digest,
            base_digest=base.digest,
            tokenizer_sha256=str(base.facts.get("tokenizer_sha256", "")),
            prompt_template_sha256=evaluation_set.prompt_template_sha256,
            metric_code=GRADERS[evaluation_set.grader][1],
            requested_by=user,
        )
        publish(
            EvaluationRequested(
                actor=actor,
                object_type="evaluation_run",
                object_id=str(run.uuid),
                object_rev=version.digest,
                diff={
                    "version": [None, version.runtime_name],
                    "evaluation_set": [None, str(evaluation_set)],
                },
                run_id=run.pk,
            )
        )
        permissions.issue(
            version=version, purpose=Purpose.EVALUATE, actor=actor, run=run, reason="evaluation"
        )
    return run


def _reusable(
    version: Version, evaluation_set: EvaluationSet, engine_build: str, dtype: str
) -> EvaluationRun | None:
    running = EvaluationRun.objects.filter(
        version=version,
        evaluation_set=evaluation_set,
        state__in=[RunState.WAITING, RunState.RUNNING],
    ).first()
    if running:
        return running
    oldest = clock.now() - timedelta(days=CURRENT.evaluation_age_days)
    done = done_runs(version).filter(
        evaluation_set=evaluation_set,
        prompt_template_sha256=evaluation_set.prompt_template_sha256,
        finished_at__gt=oldest,
    )
    if engine_build:
        done = done.filter(engine_build=engine_build)
    if dtype:
        done = done.filter(dtype=dtype)
    return done.order_by("-pk").first()


def begin(*, run_id: int, node_name: str, engine_build: str, device: str, dtype: str) -> int | None:
    """Take a run up on a node; the attempt's number, or None when somebody else has it.

    Rows of an earlier attempt are kept when the engine, device and dtype are the same.
    """
    now = clock.now()
    with transaction.atomic():
        run = EvaluationRun.objects.select_for_update(no_key=True).get(pk=run_id)
        is_dead = run.heartbeat_at is None or run.heartbeat_at < silent_since()
        if run.state == RunState.RUNNING and not is_dead:
            return None
        if run.state not in {RunState.WAITING, RunState.RUNNING}:
            return None
        engine = {"engine_build": engine_build, "device": device, "dtype": dtype}
        if any(getattr(run, name) != value for name, value in engine.items()):
            run.rows.all().delete()
        attempt = run.attempt + 1
        values: dict[str, Any] = {
            **engine,
            "node_name": node_name,
            "attempt": attempt,
            "heartbeat_at": now,
            "started_at": now,
            "rows_done": run.rows.count(),
        }
        if run.state == RunState.RUNNING:
            EvaluationRun.objects.filter(pk=run.pk).update(**values)
            audit.record(
                action="evaluation.taken_over",
                actor=SYSTEM,
                object_type="evaluation_run",
                object_id=str(run.uuid),
                object_rev=run.digest,
                diff={"attempt": [run.attempt, attempt], "node": [run.node_name, node_name]},
                reason=f"The worker of attempt {run.attempt} fell silent.",
            )
        else:
            move(run, table=RUN_MOVES, to=RunState.RUNNING, **values)
        return attempt


def record(*, run_id: int, attempt: int, rows: Iterable[Mapping[str, Any]]) -> int:
    """Grade and store answers; how many rows the run has now. The same row twice is one row.

    ``rows``: ``{"index", "answer", "finish", "duration_ms"}``.

    Raises:
        AttemptOver: another attempt has the run.
    """
    listed = {int(row["index"]): row for row in rows}
    with transaction.atomic():
        run = _mine(run_id, attempt)
        grader, _ = GRADERS[run.evaluation_set.grader]
        classes = _classes(run.evaluation_set)
        items = EvaluationItem.objects.filter(
            evaluation_set=run.evaluation_set, index__in=list(listed)
        )
        graded = []
        for item in items:
            row = listed[item.index]
            answer = str(row.get("answer", ""))
            grade = grader(answer, item.expected, classes)
            graded.append(
                EvaluationRow(
                    run=run,
                    item_sha256=item.item_sha256,
                    index=item.index,
                    expected=item.expected,
                    given=grade.given,
                    is_correct=grade.is_correct,
                    groups=item.groups,
                    answer_encrypted=keys.encrypt(answer),
                    finish=str(row.get("finish", ""))[:20],
                    duration_ms=max(0, int(row.get("duration_ms", 0))),
                )
            )
        EvaluationRow.objects.bulk_create(graded, ignore_conflicts=True, batch_size=500)
        done = run.rows.count()
        EvaluationRun.objects.filter(pk=run.pk).update(rows_done=done, heartbeat_at=clock.now())
    return done


def finish(*, run_id: int, attempt: int) -> EvaluationRun:
    """Close a run whose rows are all there; its permission ends, the evidence checks follow.

    Raises:
        AttemptOver: another attempt has the run, or rows are missing.
    """
    with transaction.atomic():
        run = _mine(run_id, attempt)
        done = run.rows.count()
        if done != run.evaluation_set.items_count:
            raise AttemptOver(
                f"{done} of {run.evaluation_set.items_count} items have a row.",
                fix="Record the missing items first.",
            )
        move(
            run,
            table=RUN_MOVES,
            to=RunState.DONE,
            rows_done=done,
            correct_count=run.rows.filter(is_correct=True).count(),
            rows_sha256=rows_sha256(run),
            finished_at=clock.now(),
            error="",
        )
        _end_permission(run, reason="The evaluation is recorded.")
        publish(
            EvaluationRecorded(
                actor=SYSTEM,
                object_type="evaluation_run",
                object_id=str(run.uuid),
                object_rev=run.digest,
                diff={
                    "correct": [None, run.correct_count],
                    "items": [None, done],
                    "rows_sha256": [None, run.rows_sha256],
                    "node": [None, run.node_name],
                    "engine_build": [None, run.engine_build],
                    "dtype": [None, run.dtype],
                },
                run_id=run.pk,
            )
        )
    return run


def fail(*, run_id: int, attempt: int, error: str) -> None:
    """Give a run up; ``error`` says why and holds no answer.

    Raises:
        AttemptOver: another attempt has the run.
    """
    with transaction.atomic():
        run = EvaluationRun.objects.select_for_update(no_key=True).get(pk=run_id)
        if run.state == RunState.WAITING and attempt == run.attempt:
            pass  # no node could take it up
        else:
            run = _mine(run_id, attempt)
        move(run, table=RUN_MOVES, to=RunState.FAILED, error=error[:500], finished_at=clock.now())
        _end_permission(run, reason="The evaluation failed.")
        publish(
            EvaluationFailed(
                actor=SYSTEM,
                object_type="evaluation_run",
                object_id=str(run.uuid),
                object_rev=run.digest,
                reason=error[:500],
                run_id=run.pk,
            )
        )


def touch(*, run_id: int, attempt: int) -> None:
    """Say that the worker of an attempt is alive.

    Raises:
        AttemptOver: another attempt has the run.
    """
    changed = EvaluationRun.objects.filter(
        pk=run_id, attempt=attempt, state=RunState.RUNNING
    ).update(heartbeat_at=clock.now())
    if not changed:
        raise AttemptOver("Another worker has this run, or it is over.", fix="Drop it.")


def _mine(run_id: int, attempt: int) -> EvaluationRun:
    run = (
        EvaluationRun.objects.select_for_update(of=("self",), no_key=True)
        .select_related("evaluation_set", "version")
        .get(pk=run_id)
    )
    if run.state != RunState.RUNNING or run.attempt != attempt:
        raise AttemptOver(
            f"Attempt {attempt} no longer has this run: it is {run.state}, attempt {run.attempt}.",
            fix="Drop this attempt; the rows that it wrote are kept.",
        )
    return run


def _classes(evaluation_set: EvaluationSet) -> list[str]:
    rows = evaluation_set.items.order_by().values_list("expected", flat=True).distinct()
    return sorted(rows)


def _end_permission(run: EvaluationRun, *, reason: str) -> None:
    for permission in Permission.objects.filter(run=run, ended_at__isnull=True):
        permissions.end(permission=permission, reason=reason, actor=SYSTEM)
