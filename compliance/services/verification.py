"""Verifies the audit trail, and writes down what came out where somebody should be told."""

from compliance.selectors.verification import Report, verify
from compliance.selectors.verification_trail import VERIFIED
from compliance.services import audit
from config.core.actors import SYSTEM, Actor

__all__ = ["Report", "verify", "verify_and_record"]

_TEXT_LETTERS = 300


def verify_and_record(*, actor: Actor = SYSTEM) -> Report:
    """Verify, and write the result into the trail: the alert ``audit_not_clean`` reads it there.

    So the trail itself says when it was verified last, and what was found.
    """
    report = verify()
    bad = report.first_bad
    audit.record(
        action=VERIFIED,
        actor=actor,
        object_type="audit_trail",
        object_id=report.head or "empty",
        diff={
            "entries": [None, report.entries],
            "failures": [None, sum(not line.is_ok for line in report.lines)],
            "first": [None, f"{bad.what}: {bad.text}"[:_TEXT_LETTERS] if bad else None],
        },
    )
    return report
