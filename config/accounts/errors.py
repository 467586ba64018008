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
