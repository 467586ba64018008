"""Verifies stored signatures, and words them as they are printed with the record."""

from dataclasses import dataclass
from typing import Any

from compliance.domain.signing import faults
from compliance.domain.statements import STATEMENTS
from compliance.models import ApprovalRequest, AuditEvent, Signature
from config.accounts.roles import Role
from config.core import clock, keys


@dataclass(frozen=True)
class VerifiedSignature:
    """A signature, what is wrong with it, and the text that is printed with the record."""

    signature: Signature
    faults: tuple[str, ...]
    manifestation: str

    @property
    def is_valid(self) -> bool:
        """Whether payload, server signature, chain, record and audit event agree."""
        return not self.faults


def payload_columns(row: Signature) -> dict[str, Any]:
    """The row's members as the payload names them."""
    return {
        "id": str(row.uuid),
        "request": str(row.request.uuid),
        "record_type": "adapter_version",
        "record_id": str(row.request.version.uuid),
        "record_sha256": row.record_sha256,
        "position": row.position,
        "meaning": row.meaning,
        "statement": row.statement,
        "statement_version": row.statement_version,
        "signer": row.signer.get_username(),
        "signer_id": str(row.signer_id),
        "person": str(row.person.uuid),
        "printed_name": row.printed_name,
        "role": row.role,
        "auth_methods": list(row.auth_methods),
        "signed_at": clock.isoformat(row.signed_at),
        "comment": row.comment,
        "previous_payload_sha256": row.previous_payload_sha256,
        "key_id": row.key_id,
    }


def verify_signatures(request: ApprovalRequest) -> list[VerifiedSignature]:
    """Each signature of a request in order, verified against record, chain and audit trail."""
    rows = request.signatures.select_related(
        "signer", "person", "request__version", "request__record"
    ).order_by("position")
    public = keys.signature_key().public_key()
    previous, verified = "", []
    for index, row in enumerate(rows):
        found = faults(
            payload=row.payload,
            payload_sha256=row.payload_sha256,
            server_signature=row.server_signature,
            public=public,
            columns=payload_columns(row),
            record_sha256=row.request.record.sha256,
            previous_payload_sha256=previous,
        )
        if row.position != index:
            found.append(f"it is number {row.position} and stands at {index}")
        if not _has_event(row):
            found.append("the audit trail has no event of it")
        previous = row.payload_sha256
        verified.append(VerifiedSignature(row, tuple(found), manifestation(row)))
    return verified


def _has_event(row: Signature) -> bool:
    return AuditEvent.objects.filter(
        action="signature.created",
        object_type="signature",
        object_id=str(row.uuid),
        body__contains=row.payload_sha256,
    ).exists()


def manifestation(row: Signature) -> str:
    """Name, time and meaning as 21 CFR 11.50 wants them printed with the record."""
    statement = STATEMENTS.get(row.meaning)
    meaning = statement.name if statement else row.meaning
    role = row.role.replace("_", " ") if row.role in list(Role) else row.role
    return (
        f"{meaning} — signed electronically by {row.printed_name} ({role}) on "
        f"{row.signed_at:%Y-%m-%d %H:%M:%S} UTC; record sha256 {row.record_sha256}; "
        f"signature id {row.uuid}"
    )
