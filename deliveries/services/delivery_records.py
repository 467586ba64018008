"""Writes what happens to a delivery job: each move in one transaction with its audit event."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce

from compliance.services import audit
from config.core import clock, keys
from config.core.actors import SYSTEM, Actor
from config.core.states import check_move
from deliveries.domain.delivery import (
    GiveUp,
    Next,
    RetryPolicy,
    after_failure,
    after_loss,
)
from deliveries.models import Composition, DeliveryAttempt, DeliveryJob, WebhookEndpoint
from deliveries.services import delivery_nudges
from deliveries.states import (
    DELIVERY_MOVES,
    WAITING_STATES,
    AttemptState,
    DeliveryState,
    Mode,
)

POLICY = RetryPolicy()
# A worker's clock may be a little behind of who wrote when to try again.
CLOCK_TOLERANCE = timedelta(seconds=0.5)
MAX_ERROR_LETTERS = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that did not arrive; ``message`` is our own sentence, ``detail`` for the owner."""

    message: str
    is_final: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)


def create(
    *,
    mode: Mode,
    prompt: str,
    params: Mapping[str, Any],
    shown: str,
    actor: Actor,
    endpoint: WebhookEndpoint | None = None,
    event: str = "",
    composition: Composition | None = None,
) -> DeliveryJob:
    """A job, pending; its worker is nudged when the caller's transaction commits."""
    with transaction.atomic():
        job = DeliveryJob.objects.create(
            mode=mode,
            prompt_encrypted=keys.encrypt(prompt),
            params_encrypted=_sealed(params),
            endpoint=endpoint,
            event=event,
            composition=composition,
            created_by_id=actor.user_id,
            created_at=clock.now(),
            next_try_at=clock.now(),
        )
        diff: dict[str, list[str | None]] = {
            "state": [None, str(DeliveryState.PENDING)],
            "mode": [None, str(mode)],
            "target": [None, shown],
        }
        if event:
            diff["event"] = [None, event]
        if composition is not None:
            diff["composition"] = [None, str(composition.uuid)]
        _record("delivery.enqueued", job, actor=actor, diff=diff)
        delivery_nudges.run_on_commit(job.pk)
    return job


def begin(*, job_id: int) -> DeliveryJob | None:
    """Claim a job that is due, as its next try; None where it is not, or another was first."""
    now = clock.now()
    with transaction.atomic():
        due = DeliveryJob.objects.filter(
            pk=job_id, state__in=WAITING_STATES, next_try_at__lte=now + CLOCK_TOLERANCE
        )
        changed = due.update(
            state=DeliveryState.RUNNING,
            attempts_count=F("attempts_count") + 1,
            heartbeat_at=now,
            started_at=Coalesce(F("started_at"), now),
        )
        if not changed:
            return None
        job = DeliveryJob.objects.select_related("endpoint").get(pk=job_id)
        DeliveryAttempt.objects.create(job=job, number=job.attempts_count, started_at=now)
        is_first = job.attempts_count == 1
        before = DeliveryState.PENDING if is_first else DeliveryState.RETRYING
        _record("delivery.started", job, diff=_moved(before, DeliveryState.RUNNING, job))
    return job


def beat(job: DeliveryJob) -> None:
    """Say that this try's worker lives; called from a thread of its own."""
    try:
        _mine(job).update(heartbeat_at=clock.now())
    finally:
        connection.close()


def succeed(job: DeliveryJob, detail: Mapping[str, Any]) -> bool:
    """The other side took it; False when this try is not the job's any more."""
    with transaction.atomic():
        is_mine = _end(
            job,
            DeliveryState.SUCCEEDED,
            result={"status": "ok", "detail": dict(detail)},
            last_error="",
        )
        if is_mine:
            _end_attempt(job, AttemptState.SUCCEEDED)
            _record(
                "delivery.completed",
                job,
                diff=_moved(DeliveryState.RUNNING, DeliveryState.SUCCEEDED, job),
            )
    return is_mine


def fail(job: DeliveryJob, failure: Failure) -> bool:
    """This try failed: another follows after a pause, or the job has failed."""
    failures = job.failures_count + 1
    follows = after_failure(POLICY, failures=failures, is_final=failure.is_final)
    return _go_on(
        job, follows, failure, attempt=AttemptState.FAILED, counts={"failures_count": failures}
    )


def lose(job: DeliveryJob) -> bool:
    """The try's worker fell silent: another follows at once, or the job is given up."""
    lost = job.lost_count + 1
    follows = after_loss(POLICY, lost=lost, failures=job.failures_count)
    failure = Failure(f"The worker of try {job.attempts_count} fell silent.")
    return _go_on(job, follows, failure, attempt=AttemptState.LOST, counts={"lost_count": lost})


def _go_on(
    job: DeliveryJob,
    follows: Next,
    failure: Failure,
    *,
    attempt: AttemptState,
    counts: Mapping[str, int],
) -> bool:
    message = failure.message[:MAX_ERROR_LETTERS]
    is_over = isinstance(follows, GiveUp)
    left = 0 if isinstance(follows, GiveUp) else follows.retries_left
    result = {
        "status": "error",
        "detail": dict(failure.detail),
        "last_error": message,
        "retries_left": left,
    }
    to = DeliveryState.FAILED if is_over else DeliveryState.RETRYING
    with transaction.atomic():
        if isinstance(follows, GiveUp):
            is_mine = _end(job, to, result=result, last_error=message, **counts)
        else:
            is_mine = _write(
                job,
                to,
                result_encrypted=_sealed(result),
                last_error=message,
                next_try_at=clock.now() + timedelta(seconds=follows.pause_seconds),
                **counts,
            )
        if not is_mine:
            return False
        _end_attempt(job, attempt, error=message)
        action = "delivery.failed" if is_over else "delivery.retrying"
        _record(action, job, diff=_moved(DeliveryState.RUNNING, to, job), reason=message)
        if not isinstance(follows, GiveUp):
            delivery_nudges.run_on_commit(job.pk, after_seconds=follows.pause_seconds)
    return True


def _end(job: DeliveryJob, to: DeliveryState, *, result: Mapping[str, Any], **values: Any) -> bool:
    now = clock.now()
    latency_ms = max(0, round((now - job.created_at).total_seconds() * 1000))
    return _write(
        job,
        to,
        result_encrypted=_sealed(result),
        finished_at=now,
        latency_ms=latency_ms,
        **values,
    )


def _write(job: DeliveryJob, to: DeliveryState, **values: Any) -> bool:
    check_move(DELIVERY_MOVES, DeliveryState.RUNNING, to)
    return bool(_mine(job).update(state=to, **values))


def _mine(job: DeliveryJob) -> QuerySet[DeliveryJob]:
    """The job, while it is still in the try that ``job`` was read in."""
    return DeliveryJob.objects.filter(
        pk=job.pk, state=DeliveryState.RUNNING, attempts_count=job.attempts_count
    )


def _end_attempt(job: DeliveryJob, state: AttemptState, *, error: str = "") -> None:
    DeliveryAttempt.objects.filter(job=job, number=job.attempts_count).update(
        state=state, error=error, finished_at=clock.now()
    )


def _sealed(value: Mapping[str, Any]) -> bytes:
    return keys.encrypt(json.dumps(value, ensure_ascii=False))


def _moved(before: DeliveryState, after: DeliveryState, job: DeliveryJob) -> dict[str, list[Any]]:
    return {
        "state": [str(before), str(after)],
        "attempt": [None, job.attempts_count],
    }


def _record(
    action: str,
    job: DeliveryJob,
    *,
    diff: Mapping[str, Any],
    actor: Actor = SYSTEM,
    reason: str = "",
) -> None:
    audit.record(
        action=action,
        actor=actor,
        object_type="delivery",
        object_id=str(job.uuid),
        diff=diff,
        reason=reason,
    )
