"""Reads across judgements; this module names what the other rooms and the pages use."""

from .approvals import (
    authors_of,
    latest_request,
    next_requirement,
    open_request,
    request_by_uuid,
    required_of,
    signatures_of,
)
from .audit import AuditFilters, audit_events, explain, parse_body
from .checks import (
    Blocker,
    is_blocking,
    latest_done,
    latest_results,
    latest_run,
    live_gate_faults,
    open_blockers,
    package_passed,
)
from .evaluations import (
    Comparison,
    Prompt,
    SummaryRow,
    comparison,
    evaluation_summary,
    latest_runs,
    prompts,
    set_by_ref,
)
from .permissions import Lease, epoch, live_permissions, open_permissions, open_serve_permission
from .records import changed_fields
from .signatures import VerifiedSignature, manifestation, verify_signatures
from .stops import is_stopped, open_stops, stop_by_uuid, stopped_digests

__all__ = [
    "AuditFilters",
    "Blocker",
    "Comparison",
    "Lease",
    "Prompt",
    "SummaryRow",
    "VerifiedSignature",
    "audit_events",
    "authors_of",
    "changed_fields",
    "comparison",
    "epoch",
    "evaluation_summary",
    "explain",
    "is_blocking",
    "is_stopped",
    "latest_done",
    "latest_request",
    "latest_results",
    "latest_run",
    "latest_runs",
    "live_gate_faults",
    "live_permissions",
    "manifestation",
    "next_requirement",
    "open_blockers",
    "open_permissions",
    "open_request",
    "open_serve_permission",
    "open_stops",
    "package_passed",
    "parse_body",
    "prompts",
    "request_by_uuid",
    "required_of",
    "set_by_ref",
    "signatures_of",
    "stop_by_uuid",
    "stopped_digests",
    "verify_signatures",
]
