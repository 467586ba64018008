"""What happens in compliance."""

from dataclasses import dataclass

from config.core.events import Event


@dataclass(frozen=True, kw_only=True)
class CheckRunFinished(Event):
    """The checks of a kind have run over a version."""

    action = "check_run.finished"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class EvaluationSetLocked(Event):
    """A set of items was locked under its digest."""

    action = "evaluation_set.locked"


@dataclass(frozen=True, kw_only=True)
class EvaluationRequested(Event):
    """Serving is asked to run a set through a version."""

    action = "evaluation.requested"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class EvaluationRecorded(Event):
    """All rows of a run are there."""

    action = "evaluation.recorded"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class ApprovalRequested(Event):
    """A record was frozen and waits for signatures."""

    action = "approval.requested"
    request_id: int


@dataclass(frozen=True, kw_only=True)
class RecordSigned(Event):
    """A person signed a record."""

    action = "signature.created"
    request_id: int


@dataclass(frozen=True, kw_only=True)
class VersionApproved(Event):
    """All signatures that the policy asks for are there; a permission was issued."""

    action = "version.approved"
    version_id: int


@dataclass(frozen=True, kw_only=True)
class ApprovalVoided(Event):
    """What was signed is not what is there now, or a newer revision replaced it."""

    action = "approval.voided"
    request_id: int


@dataclass(frozen=True, kw_only=True)
class PermissionChanged(Event):
    """A permission was issued or ended."""

    action = "permission.changed"
    digest: str


@dataclass(frozen=True, kw_only=True)
class DigestStopped(Event):
    """A digest is withdrawn everywhere."""

    action = "stop.issued"
    digest: str


@dataclass(frozen=True, kw_only=True)
class StopBroughtBack(DigestStopped):
    """The database lacked a stop that the list outside it names: restored, or killed in mid-act."""

    action = "stop.brought_back"


@dataclass(frozen=True, kw_only=True)
class RestoreNoticed(Event):
    """The database is older than what lies outside it; serving is held."""

    action = "restore.noticed"


@dataclass(frozen=True, kw_only=True)
class ResumeAsked(Event):
    """A first person asks that serving go on after a restore."""

    action = "restore.resume_asked"


@dataclass(frozen=True, kw_only=True)
class RestoreResumed(Event):
    """Two persons let serving go on after a restore."""

    action = "restore.resumed"


@dataclass(frozen=True, kw_only=True)
class DigestReleased(Event):
    """Two persons released a stop."""

    action = "stop.released"
    digest: str


@dataclass(frozen=True, kw_only=True)
class EvaluationFailed(Event):
    """A run was given up."""

    action = "evaluation.failed"
    run_id: int


@dataclass(frozen=True, kw_only=True)
class ApprovalRejected(Event):
    """A person refused to sign and closed the request."""

    action = "approval.rejected"
    request_id: int


@dataclass(frozen=True, kw_only=True)
class ReleaseAsked(Event):
    """A first person asks that a stop be released."""

    action = "stop.release_asked"
    digest: str
