"""The tables of judgements."""

from .approvals import ApprovalRequest, Record, Signature, SigningLock
from .audit import AuditEvent, Checkpoint
from .checks import CheckResult, CheckRun, Finding
from .evaluations import EvaluationItem, EvaluationRow, EvaluationRun, EvaluationSet
from .permissions import Epoch, Permission, Stop
from .restores import Restore

__all__ = [
    "ApprovalRequest",
    "AuditEvent",
    "CheckResult",
    "CheckRun",
    "Checkpoint",
    "Epoch",
    "EvaluationItem",
    "EvaluationRow",
    "EvaluationRun",
    "EvaluationSet",
    "Finding",
    "Permission",
    "Record",
    "Restore",
    "Signature",
    "SigningLock",
    "Stop",
]
