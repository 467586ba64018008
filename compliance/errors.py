"""What can go wrong in compliance; every code has a page under docs/problems/."""

from config.core.errors import Conflict, DomainError, ErrorKind, Forbidden, Invalid


class CheckpointUnreadable(DomainError):
    """A checkpoint file is not there or is not a signed note."""

    code = "checkpoint-unreadable"
    title = "The checkpoint can't be read"
    kind = ErrorKind.UNPROCESSABLE


class GateClosed(Conflict):
    """Something still blocks the version; ``errors`` lists each check with its fix."""

    code = "gate-closed"
    title = "The gate is closed"


class ChecksNotPassed(Conflict):
    """The package checks have not passed, so nothing may run this version."""

    code = "checks-not-passed"
    title = "The package checks have not passed"


class RecordChanged(Conflict):
    """The record is not what was read; ``errors`` lists the fields that differ."""

    code = "record-changed"
    title = "The record changed"


class RequestClosed(Conflict):
    """The request takes no more signatures."""

    code = "approval-request-closed"
    title = "The request is closed"


class OutOfOrder(Conflict):
    """Another signature comes first, or this one is there already."""

    code = "signature-out-of-order"
    title = "Another signature is due"


class NotYours(Forbidden):
    """The person may not sign this: an author, a second signature, or a missing role."""

    code = "signature-not-yours"
    title = "You can't sign this"


class SigningRefused(Forbidden):
    """User name, password and code did not prove the signer."""

    code = "signing-refused"
    title = "The signature was not accepted"


class SigningLocked(DomainError):
    """Too many failed attempts."""

    code = "signing-locked"
    title = "Signing is locked"
    kind = ErrorKind.TOO_MANY


class NotPermitted(Forbidden):
    """No live permission covers the version."""

    code = "not-permitted"
    title = "The version has no permission"


class DigestIsStopped(Conflict):
    """The digest is withdrawn everywhere."""

    code = "digest-stopped"
    title = "This version is stopped"


class ReleaseRefused(Forbidden):
    """A stop is released by two persons; this act is not the second person's."""

    code = "release-refused"
    title = "The stop is not released"


class ResumeRefused(Forbidden):
    """After a restore two persons let serving go on; this act is not the second person's."""

    code = "resume-refused"
    title = "Serving does not go on yet"


class RestoreHeld(Conflict):
    """The database was restored; nothing is served until two persons have looked at it."""

    code = "restore-held"
    title = "Serving is held after a restore"


class AttemptOver(Conflict):
    """The evaluation belongs to another attempt by now."""

    code = "evaluation-attempt-over"
    title = "This attempt is over"


class SetInvalid(Invalid):
    """An evaluation set is malformed; ``errors`` names the lines."""

    code = "evaluation-set-invalid"
    title = "The evaluation set is not valid"


class SetExists(Conflict):
    """Another set has this name and version; sets never change."""

    code = "evaluation-set-exists"
    title = "The set is locked"
