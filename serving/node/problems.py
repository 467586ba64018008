"""Errors of the node as RFC 9457 problem documents."""

from starlette.responses import JSONResponse

from config.core.errors import DomainError, ErrorKind


class Unauthorized(DomainError):
    """The bearer secret is missing or wrong."""

    code = "unauthorized"
    title = "The node's secret is missing or wrong"
    kind = ErrorKind.UNAUTHENTICATED


class NoLease(DomainError):
    """No permission of this purpose and run is alive for the named version."""

    code = "no_lease"
    title = "No live lease covers this request"
    kind = ErrorKind.FORBIDDEN


class Stopped(DomainError):
    """The version's digest is stopped everywhere."""

    code = "stopped"
    title = "This version is stopped"
    kind = ErrorKind.FORBIDDEN


class StaleEpoch(DomainError):
    """A newer set of stops has been applied already."""

    code = "stale_epoch"
    title = "A newer set of stops is in force"
    kind = ErrorKind.CONFLICT


class DigestMismatch(DomainError):
    """The bytes on disk, the digest and the name do not belong together."""

    code = "digest_mismatch"
    title = "The package is not what its digest says"
    kind = ErrorKind.UNPROCESSABLE


class BodyTooLarge(DomainError):
    """The request's body is larger than this route takes."""

    code = "too_large"
    title = "The request is too large"
    kind = ErrorKind.TOO_LARGE


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = "application/problem+json"


def problem_response(error: DomainError) -> ProblemResponse:
    """The problem document of ``error``, with its status."""
    body = {
        "type": f"/docs/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "fix": error.fix,
    }
    if error.errors:
        body["errors"] = error.errors
    headers = {}
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return ProblemResponse(body, status_code=error.status, headers=headers)
