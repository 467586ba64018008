"""What the gateway refuses; rendered in OpenAI's shape."""

from config.core.errors import DomainError, ErrorKind
from serving.domain.routing import Standing


class InvalidApiKey(DomainError):
    """The bearer token is missing, unknown, expired, revoked, or lacks the scope."""

    code = "invalid_api_key"
    title = "The API token is not valid for this"
    kind = ErrorKind.UNAUTHENTICATED


class TooManyUnknownTokens(DomainError):
    """More unknown tokens came in this second than are looked up."""

    code = "too_many_unknown_tokens"
    title = "Too many unknown tokens"
    kind = ErrorKind.TOO_MANY


class ModelNotFound(DomainError):
    """No deployment has this public name."""

    param = "model"
    code = "model_not_found"
    title = "There is no such model"
    kind = ErrorKind.NOT_FOUND


class VersionStopped(DomainError):
    """The version behind the name has been stopped everywhere."""

    code = "stopped"
    title = "This version is stopped"
    kind = ErrorKind.FORBIDDEN


class NotPermitted(DomainError):
    """No approved version stands behind the name."""

    code = "not_permitted"
    title = "No permitted version is deployed"
    kind = ErrorKind.FORBIDDEN


class NoReplica(DomainError):
    """No node may answer for the version now."""

    code = "no_replica"
    title = "No node can answer now"
    kind = ErrorKind.UNAVAILABLE


class AnswerLost(DomainError):
    """The answer broke off, or took too long, before the caller saw any of it."""

    code = "answer_lost"
    title = "The answer could not be given"
    kind = ErrorKind.UNAVAILABLE


class PromptTooLong(DomainError):
    """Prompt and asked answer do not fit the model."""

    code = "context_length_exceeded"
    title = "The prompt is too long for this model"
    kind = ErrorKind.INVALID


class DatabaseAway(DomainError):
    """What was asked needs the database, which does not answer."""

    code = "database_unavailable"
    title = "The database does not answer"
    kind = ErrorKind.UNAVAILABLE


def refusal_of(standing: Standing, *, public_name: str, retry_after_seconds: int) -> DomainError:
    """The error that a version's ``standing`` means for a caller of ``public_name``."""
    if standing is Standing.STOPPED:
        return VersionStopped(
            f"The version behind {public_name} has been stopped everywhere.",
            fix="Ask the people who run this deployment; a stop is released by two persons.",
        )
    if standing is Standing.NOT_PERMITTED:
        return NotPermitted(
            f"The version behind {public_name} is not approved, or its permission has ended.",
            fix="It answers again when a version is approved and deployed.",
        )
    why = {
        Standing.LEASE_ENDED: "its permission has not been renewed in time",
        Standing.CONTROL_AWAY: "the control plane can't be reached and its policy says to wait",
        Standing.NOT_PROVEN: "no node has proven it",
        Standing.HELD: "the database was restored and two persons have to look at it first",
    }[standing]
    return NoReplica(
        f"{public_name} can't be answered now: {why}.",
        fix="Try again in a few seconds.",
        retry_after_seconds=retry_after_seconds,
    )
