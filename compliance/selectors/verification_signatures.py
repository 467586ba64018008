"""Verifies every signature and every record that counts, for the verifier's report."""

from collections.abc import Iterator

from compliance.models import ApprovalRequest, AuditEvent, Signature
from compliance.selectors.records import changed_fields
from compliance.selectors.signatures import verify_signatures
from compliance.states import ApprovalState


def signature_faults() -> Iterator[str]:
    """What is wrong with signatures: content, chain, record, event; and those that are gone."""
    requests = ApprovalRequest.objects.select_related("version__adapter__base_model", "record")
    for request in requests.filter(signatures__isnull=False).distinct().order_by("pk"):
        for verified in verify_signatures(request):
            row = verified.signature
            if verified.faults:
                yield (
                    f"signature {row.uuid}: {row.meaning}, {row.printed_name}, "
                    f"{row.signed_at:%Y-%m-%d}: {verified.faults[0]}"
                )
    known = {str(uuid) for uuid in Signature.objects.values_list("uuid", flat=True)}
    events = AuditEvent.objects.filter(action="signature.created").order_by("pk")
    for uuid in events.values_list("object_id", flat=True):
        if uuid not in known:
            yield f"signature {uuid} is in the trail and its row is gone"


def record_faults() -> Iterator[str]:
    """Approved records that are not what is there now."""
    approved = ApprovalRequest.objects.filter(state=ApprovalState.APPROVED)
    for request in approved.select_related("version__adapter__base_model", "record"):
        for change in changed_fields(request)[:3]:
            yield (
                f"record of {request.version.runtime_name}, revision {request.revision}: changed "
                f'after it was signed: {change["field"]} "{change["signed"]}" -> "{change["now"]}"'
            )


def counts() -> tuple[int, int]:
    """How many signatures, and how many approved records."""
    approved = ApprovalRequest.objects.filter(state=ApprovalState.APPROVED)
    return Signature.objects.count(), approved.count()
