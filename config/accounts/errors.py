"""What can go wrong with accounts."""

from config.core.errors import Conflict, DomainError, ErrorKind, NotFound


class AccountNotFound(NotFound):
    """No account or token has this name."""

    code = "account-not-found"
    title = "There is no such account"


class AccountExists(Conflict):
    """The user name or the employee id is taken."""

    code = "account-exists"
    title = "This account exists already"


class AccountInvalid(DomainError):
    """A name, a password or an expiry is not acceptable."""

    code = "account-invalid"
    title = "The account can't be made like this"


class ScopeRefused(DomainError):
    """A token may not have this scope."""

    code = "scope-refused"
    title = "The token can't have this scope"
    kind = ErrorKind.UNPROCESSABLE


class SecondFactorLocked(DomainError):
    """Too many wrong codes were given for this account."""

    code = "second-factor-locked"
    title = "Too many wrong codes"
    kind = ErrorKind.TOO_MANY


class IdempotencyKeyInvalid(DomainError):
    """The header is not 1 to 200 printable ASCII characters."""

    code = "idempotency-key-invalid"
    title = "The idempotency key is not valid"


class IdempotencyKeyReused(DomainError):
    """The caller gave this key to another request."""

    code = "idempotency-key-reused"
    title = "This idempotency key belongs to another request"
    kind = ErrorKind.UNPROCESSABLE


class IdempotencyKeyInUse(Conflict):
    """The first request with this key is still at work."""

    code = "idempotency-key-in-use"
    title = "The first request with this key is at work"


class IdempotencyAnswerLost(Conflict):
    """The act is done and its answer can't be given again: it was lost, or is never kept."""

    code = "idempotency-answer-lost"
    title = "The request was carried out, and its answer is not kept"
