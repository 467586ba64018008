"""Idempotency keys: the same request twice is one act and one answer.

A key is claimed before the act, in a transaction of its own. The audit event of the act notes the
act on the claim in the act's own transaction, so whoever takes over a claim whose process died
knows whether the act committed; and a process that was only slow, and lost its claim, can't commit.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import F, QuerySet

from config.accounts.errors import (
    IdempotencyAnswerLost,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
)
from config.accounts.models import IdempotencyKey
from config.core import clock, keys

from .pulses import PULSE

KEPT_FOR = timedelta(hours=24)
MAX_KEPT_BYTES = 256 << 10
RETRY_SECONDS = 1
_State = IdempotencyKey.State


@dataclass(frozen=True)
class Claim:
    """The right to carry out the request of a key; ``attempt`` is the fencing number."""

    row_id: int
    attempt: int


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_current: ContextVar[Claim | None] = ContextVar("idempotency_claim", default=None)


def claim(*, principal: str, key: str, request: bytes) -> Claim | Answer:
    """Claim a key for ``request`` (its canonical bytes), or the answer that it got before.

    A claim whose process has been silent for WORK_TAKE_OVER_SECONDS is taken over, unless its act
    has committed.

    Raises:
        IdempotencyKeyReused: the caller gave this key to another request.
        IdempotencyKeyInUse: the first request is still at work.
        IdempotencyAnswerLost: it was carried out, and its answer is not kept.
    """
    mac = keys.keyed_hash("idempotency", request).hex()
    forget_old(principal=principal, key=key)
    row, is_new = IdempotencyKey.objects.get_or_create(
        principal=principal, key=key, defaults={"request_mac": mac}
    )
    if is_new:
        return Claim(row.pk, row.attempt)
    if row.request_mac != mac:
        raise IdempotencyKeyReused(
            "You gave this Idempotency-Key to a request with another method, address, body or "
            "header.",
            fix="Make a new key for each act; send the same key only with the same request.",
        )
    if row.state == _State.ANSWERED and row.body_encrypted is not None:
        body = keys.decrypt(bytes(row.body_encrypted)).encode()
        return Answer(row.status or 200, row.headers, body)
    if row.state == _State.ANSWERED or row.state == _State.LOST:
        raise _lost(row)
    return _take_over(row)


def _take_over(row: IdempotencyKey) -> Claim:
    silent_since = clock.now() - timedelta(seconds=settings.WORK_TAKE_OVER_SECONDS)
    if row.alive_at <= silent_since:
        if row.acted:
            IdempotencyKey.objects.filter(pk=row.pk).update(state=_State.LOST)
            raise _lost(row)
        # Compare and set: of several that wait one goes on, and none beside an act that commits.
        if IdempotencyKey.objects.filter(
            pk=row.pk, state=_State.WORKING, attempt=row.attempt, acted=""
        ).update(attempt=F("attempt") + 1, alive_at=clock.now()):
            return Claim(row.pk, row.attempt + 1)
    raise _in_use()


@contextmanager
def at_work(held: Claim) -> Iterator[None]:
    """Carry out the request of a claim: its acts are noted, and it is known to be alive."""

    token = _current.set(held)
    try:
        with PULSE.beating(held.row_id, held.attempt):
            yield
    except BaseException:
        release(held)
        raise
    finally:
        _current.reset(token)


def note_act(what: str) -> None:
    """Note on the request's claim, in the caller's transaction, what is being done.

    Raises:
        IdempotencyKeyInUse: another process has taken the claim over.
    """
    held = _current.get()
    if held is not None and not _rows(held).update(acted=what[:200]):
        raise _in_use()


def answer(held: Claim, given: Answer, *, is_kept: bool) -> None:
    """Store what the request was answered; without ``is_kept`` only that it was."""
    is_kept = is_kept and len(given.body) <= MAX_KEPT_BYTES
    _rows(held).update(
        state=_State.ANSWERED,
        status=given.status,
        headers=dict(given.headers) if is_kept else {},
        body_encrypted=keys.encrypt(given.body.decode()) if is_kept else None,
    )


def release(held: Claim) -> None:
    """The request failed: the key is free again, unless an act has committed under it."""
    if not _rows(held).filter(acted="").delete()[0]:
        _rows(held).update(state=_State.LOST)


def forget_old(*, principal: str = "", key: str = "") -> int:
    """Delete keys older than a day, of one caller's key or of all; how many."""
    rows = IdempotencyKey.objects.filter(created_at__lt=clock.now() - KEPT_FOR)
    if principal:
        rows = rows.filter(principal=principal, key=key)
    return rows.delete()[0]


def _rows(held: Claim) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(pk=held.row_id, attempt=held.attempt, state=_State.WORKING)


def _in_use() -> IdempotencyKeyInUse:
    return IdempotencyKeyInUse(
        "The first request with this Idempotency-Key is still at work.",
        fix="Send the same request with the same key again after Retry-After.",
        retry_after_seconds=RETRY_SECONDS,
    )


def _lost(row: IdempotencyKey) -> IdempotencyAnswerLost:
    done = f" It did: {row.acted}." if row.acted else ""
    return IdempotencyAnswerLost(
        f"This request was carried out once, and its answer can't be given again.{done}",
        fix="Read the state of what it was about; a new act needs a new Idempotency-Key.",
    )
