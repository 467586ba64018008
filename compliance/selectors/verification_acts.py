"""Verifies that what is in force was signed, issued and released as the trail says."""

from collections.abc import Iterator

from compliance.models import ApprovalRequest, Permission, Restore, Stop
from compliance.selectors.approvals import required_of
from compliance.selectors.signatures import verify_signatures
from compliance.selectors.verification_trail import Told, told
from compliance.states import ApprovalState, Purpose

ISSUED, BROUGHT_BACK, RELEASED = "stop.issued", "stop.brought_back", "stop.released"
_OPEN = "open"


def approval_faults() -> Iterator[str]:
    """Approvals in force that nobody gave: signatures that are missing, events that are."""
    ended = {row.object_id: row for row in told("approval.voided", "approval.rejected")}
    given = {(row.object_id, row.after("request")) for row in told("version.approved")}
    rows = ApprovalRequest.objects.filter(
        state__in=[ApprovalState.OPEN, ApprovalState.APPROVED]
    ).select_related("version__adapter__base_model", "record")
    for request in rows:
        name = f"approval of {request.version.runtime_name}, revision {request.revision}"
        if str(request.uuid) in ended:
            yield f"{name}: its row says {request.state}, the trail says that it ended"
        if request.state != ApprovalState.APPROVED:
            continue
        if why := _unsigned(request):
            yield f"{name}: {why}"
        if (str(request.version.uuid), str(request.uuid)) not in given:
            yield f"{name}: the trail has no event of it"


def _unsigned(request: ApprovalRequest) -> str:
    """Why the signatures that hold are not those that the policy asks for; else empty."""
    valid = [row.signature for row in verify_signatures(request) if row.is_valid]
    required = [due.meaning for due in required_of(request.version)]
    if [row.meaning for row in valid] != required:
        there = ", ".join(row.meaning for row in valid) or "none"
        return f"it needs the signatures {', '.join(required)}; those that verify are: {there}"
    if len({row.person_id for row in valid}) != len(valid):
        return "one person has signed it twice"
    return ""


def permission_faults() -> Iterator[str]:
    """Open permissions to serve that come from no approval in force, or were ended."""
    last: dict[str, Told] = {row.object_id: row for row in told("permission.changed")}
    rows = Permission.objects.filter(purpose=Purpose.SERVE, ended_at__isnull=True)
    for row in rows.select_related("version__adapter", "request__record"):
        name = f"permission {row.uuid} of {row.version.runtime_name}"
        request, event = row.request, last.get(str(row.uuid))
        if request is None or request.state != ApprovalState.APPROVED:
            yield f"{name}: no approval is in force that it could come from"
        elif request.version_id != row.version_id:
            yield f"{name}: it comes from the approval of another version"
        elif row.record_sha256 != request.record.sha256:
            yield f"{name}: it names another record than its approval"
        if row.digest != row.version.digest:
            yield f"{name}: it permits another digest, {row.digest[:12]}"
        if event is None:
            yield f"{name}: the trail has no event of it"
        elif event.after("state") != _OPEN:
            yield f"{name}: its row is open, the trail says that it is {event.after('state')}"
        elif event.object_rev != row.digest:
            yield f"{name}: it was issued for another digest, {event.object_rev[:12]}"


def stop_faults() -> Iterator[str]:
    """Stops that are gone, lifted or changed without the two persons that a release takes."""
    rows = {str(row.uuid): row for row in Stop.objects.all()}
    issued = {str(row.after("stop")): row.object_id for row in told(ISSUED, BROUGHT_BACK)}
    released = {str(row.before("stop")) for row in told(RELEASED)}
    for uuid, digest in issued.items():
        stop = rows.get(uuid)
        if stop is None:
            yield f"stop {uuid} of {digest[:12]} is in the trail and its row is gone"
        elif stop.digest != digest:
            yield f"stop {uuid} was of {digest[:12]}, its row says {stop.digest[:12]}"
    for uuid, stop in rows.items():
        name = f"stop {uuid} of {stop.digest[:12]}"
        if uuid not in issued:
            yield f"{name}: the trail has no event of it"
        if stop.released_at is not None and uuid not in released:
            yield f"{name}: its row says released, and the trail has no release"


def restore_faults() -> Iterator[str]:
    """Restores that are gone, or over without the two persons that it takes."""
    rows = {str(row.uuid): row for row in Restore.objects.all()}
    noticed = {row.object_id for row in told("restore.noticed")}
    resumed = {row.object_id for row in told("restore.resumed")}
    for uuid in sorted(noticed - rows.keys()):
        yield f"restore {uuid} is in the trail and its row is gone"
    for uuid, row in rows.items():
        if uuid not in noticed:
            yield f"restore {uuid}: the trail has no event of it"
        if row.resumed_at is not None and uuid not in resumed:
            yield f"restore {uuid}: its row says resumed, and nobody in the trail has"


def counts() -> dict[str, int]:
    """How many of each there are, for the lines that say that all is in order."""
    return {
        "approvals": ApprovalRequest.objects.filter(state=ApprovalState.APPROVED).count(),
        "permissions": Permission.objects.filter(
            purpose=Purpose.SERVE, ended_at__isnull=True
        ).count(),
        "stops": Stop.objects.count(),
        "restores": Restore.objects.count(),
    }
