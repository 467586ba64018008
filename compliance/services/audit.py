"""Writes audit events: in the caller's transaction, or one of their own for refusals."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction

from compliance.domain.audit_chain import event_body, plain
from compliance.models import AuditEvent
from config.accounts.services import idempotency
from config.core import clock
from config.core.actors import Actor
from config.core.digests import canonical_json
from config.core.events import Event
from config.core.middleware import request_id_var


def record(
    *,
    action: str,
    actor: Actor,
    object_type: str,
    object_id: str,
    object_rev: str = "",
    diff: Mapping[str, Any] | None = None,
    reason: str = "",
    is_act: bool = True,
) -> AuditEvent:
    """Write an event in the caller's transaction: change and event commit or fail together.

    ``diff`` is ``{field: [old, new]}`` and never holds patient text. Without ``is_act`` the event
    tells of an attempt that was refused.

    Raises:
        IdempotencyKeyInUse: the request's idempotency key was taken over; nothing may commit.
    """
    if is_act:
        idempotency.note_act(f"{action} {object_type} {object_id}")
    return _write(
        action=action,
        actor=actor,
        object_type=object_type,
        object_id=object_id,
        object_rev=object_rev,
        diff=diff,
        reason=reason,
    )


def _write(
    *,
    action: str,
    actor: Actor,
    object_type: str,
    object_id: str,
    object_rev: str = "",
    diff: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    at = clock.now()
    uuid = uuid4()
    body = event_body(
        uuid=str(uuid),
        at=clock.isoformat(at),
        actor=plain(actor.as_dict()),
        action=action,
        object_type=object_type,
        object_id=plain(object_id),
        object_rev=plain(object_rev),
        diff=diff or {},
        reason=reason,
        request_id=actor.request_id or request_id_var.get(),
        app_version=settings.APP_VERSION,
    )
    return AuditEvent.objects.create(
        uuid=uuid,
        at=at,
        action=action,
        actor_name=body["actor"]["name"],
        object_type=object_type,
        object_id=body["object"]["id"],
        body=canonical_json(body).decode(),
    )


def record_refusal(
    *,
    action: str,
    actor: Actor,
    object_type: str,
    object_id: str,
    reason: str,
    diff: Mapping[str, Any] | None = None,
) -> None:
    """Write the event of a refused attempt so that it survives the caller's rollback.

    Inside a transaction PostgreSQL gets a second connection. SQLite has one writer, so there the
    event shares the caller's transaction: refuse outside of one, as our services do.
    """

    def write() -> None:
        with transaction.atomic():
            _write(
                action=action,
                actor=actor,
                object_type=object_type,
                object_id=object_id,
                reason=reason,
                diff=diff,
            )

    if connection.vendor == "postgresql" and _in_transaction():
        request_id = request_id_var.get()

        def write_apart() -> None:
            token = request_id_var.set(request_id)
            try:
                write()
            finally:
                request_id_var.reset(token)
                connection.close()

        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(write_apart).result()
    else:
        write()


def record_event(event: Event) -> None:
    """Write a published event of a room into the trail, in the transaction that published it."""
    record(
        action=event.action,
        actor=event.actor,
        object_type=event.object_type,
        object_id=event.object_id,
        object_rev=event.object_rev,
        diff=event.diff,
        reason=event.reason,
        is_act=event.is_act,
    )


def _in_transaction() -> bool:
    """Whether the caller holds a transaction open (that of a test case does not count)."""
    try:
        with transaction.atomic(durable=True):
            return False
    except RuntimeError:  # Django's own answer to a nested durable block
        return True
