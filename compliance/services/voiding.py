"""Voids requests whose record is not what is there now, and the permissions that came from them."""

from typing import Any

from django.db import transaction

from compliance.events import ApprovalVoided
from compliance.models import ApprovalRequest, Permission
from compliance.selectors.records import changed_fields
from compliance.services import permissions
from compliance.states import APPROVAL_MOVES, ApprovalState
from config.core import clock
from config.core.actors import SYSTEM, Actor
from config.core.events import publish
from config.core.states import move
from registry.models import Version


def void_changed(*, version: Version, actor: Actor = SYSTEM, reason: str = "") -> int:
    """Void the requests whose record is not what is there now; how many.

    Approved or open, the change is written with both values, and the permission ends.
    """
    count = 0
    with transaction.atomic():
        rows = ApprovalRequest.objects.select_for_update(no_key=True).filter(
            version=version, state__in=[ApprovalState.OPEN, ApprovalState.APPROVED]
        )
        for row in rows:
            changes = changed_fields(row)
            if changes:
                fields = ", ".join(change["field"] for change in changes[:5])
                why = f"{reason or 'What was signed is not what is there now'}: {fields}"
                void(row, actor=actor, reason=why, changes=changes)
                count += 1
    return count


def void(
    row: ApprovalRequest,
    *,
    actor: Actor,
    reason: str,
    changes: list[dict[str, Any]] | None = None,
) -> None:
    """End a request and the permission that came from it; ``changes`` as ``changed_fields``."""
    before = str(row.state)
    close(row, to=ApprovalState.VOID, reason=reason)
    for permission in Permission.objects.filter(request=row, ended_at__isnull=True):
        permissions.end(permission=permission, reason=reason, actor=actor)
    publish(
        ApprovalVoided(
            actor=actor,
            object_type="approval_request",
            object_id=str(row.uuid),
            object_rev=str(row.revision),
            diff={
                "state": [before, str(row.state)],
                **{change["field"]: [change["signed"], change["now"]] for change in changes or []},
            },
            reason=reason,
            request_id=row.pk,
        )
    )


def close(row: ApprovalRequest, *, to: ApprovalState, reason: str) -> None:
    """Move a request into a final state; call it inside a service's transaction."""
    move(row, table=APPROVAL_MOVES, to=to, closed_at=clock.now(), closed_reason=reason[:500])
