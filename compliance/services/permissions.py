"""Issues, renews and ends permissions: leases that end by themselves when nobody renews them."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from compliance.events import PermissionChanged
from compliance.models import ApprovalRequest, EvaluationRun, Permission
from compliance.selectors.checks import live_gate_faults
from compliance.selectors.permissions import open_permissions
from compliance.selectors.restores import is_held
from compliance.selectors.stops import stopped_digests
from compliance.services import epochs
from compliance.states import ApprovalState, Purpose, RunState
from config.core import clock
from config.core.actors import Actor
from config.core.errors import Conflict
from config.core.events import publish
from registry.models import Version


def issue(
    *,
    version: Version,
    purpose: Purpose,
    actor: Actor,
    reason: str,
    request: ApprovalRequest | None = None,
    run: EvaluationRun | None = None,
) -> Permission:
    """Open a permission for exactly this digest; call it inside a service's transaction."""
    with transaction.atomic():
        permission = Permission.objects.create(
            version=version,
            digest=version.digest,
            record_sha256=request.record.sha256 if request else "",
            purpose=purpose,
            request=request,
            run=run,
            ttl_seconds=settings.LEASE_TTL_SECONDS,
        )
        _publish(permission, actor=actor, change=["none", "open"], reason=reason)
        epochs.bump_routing()
    return permission


def end(*, permission: Permission, reason: str, actor: Actor) -> None:
    """End a permission for good; ending it twice is one end."""
    with transaction.atomic():
        changed = Permission.objects.filter(pk=permission.pk, ended_at__isnull=True).update(
            ended_at=clock.now(), ended_reason=reason[:500]
        )
        if not changed:
            return
        permission.refresh_from_db()
        _publish(permission, actor=actor, change=["open", "ended"], reason=reason)
        epochs.bump_routing()


def renew_due() -> int:
    """Renew the leases that are due and whose live gates hold; how many.

    A lease is renewed at half of the interval already, so that a late loop costs nothing. What is
    stopped, what is no longer approved, what failed its nightly check and what is held after a
    restore runs out by itself.
    """
    now = clock.now()
    due = now - timedelta(seconds=settings.LEASE_RENEW_SECONDS / 2)
    stopped = stopped_digests()
    # After a restore nothing is served until two persons have looked at it.
    purpose = Purpose.EVALUATE if is_held() else ""
    rows = open_permissions(purpose).select_related("request", "run").filter(renewed_at__lte=due)
    renewed = [row.pk for row in rows if row.digest not in stopped and _holds(row)]
    if not renewed:
        return 0
    with transaction.atomic():
        count = Permission.objects.filter(pk__in=renewed, ended_at__isnull=True).update(
            lease_sequence=F("lease_sequence") + 1, renewed_at=now
        )
        epochs.bump_routing()
    return count


def _holds(permission: Permission) -> bool:
    if permission.purpose == Purpose.EVALUATE:
        run = permission.run
        return run is not None and run.state in {RunState.WAITING, RunState.RUNNING}
    request = permission.request
    if request is None or request.state != ApprovalState.APPROVED:
        return False
    return not live_gate_faults(permission.version)


def refuse_second(version: Version) -> None:
    """Refuse when the version is permitted already.

    Raises:
        Conflict: there is an open permission to serve it.
    """
    if open_permissions(Purpose.SERVE).filter(version=version).exists():
        raise Conflict(
            f"{version.runtime_name} is approved already.",
            fix="A changed label or new evidence voids the approval first.",
        )


def _publish(permission: Permission, *, actor: Actor, change: list[str], reason: str) -> None:
    publish(
        PermissionChanged(
            actor=actor,
            object_type="permission",
            object_id=str(permission.uuid),
            object_rev=permission.digest,
            diff={
                "state": change,
                "purpose": [None, str(permission.purpose)],
                "version": [None, permission.version.runtime_name],
                "record_sha256": [None, permission.record_sha256],
            },
            reason=reason[:500],
            digest=permission.digest,
        )
    )
