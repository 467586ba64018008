"""The one tree of errors that a rule of the product may raise, and what kind each is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class ErrorKind(StrEnum):
    """What an error means to a caller; one table (STATUS) maps it to an HTTP status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    RANGE = "range"
    UNPROCESSABLE = "unprocessable"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"
    NO_ROOM = "no_room"


STATUS: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.GONE: 410,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RANGE: 416,
    ErrorKind.UNPROCESSABLE: 422,
    ErrorKind.TOO_MANY: 429,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.NO_ROOM: 507,
}


class DomainError(Exception):
    """A refusal that a person or a program can act on.

    ``code`` names the page under docs/problems/; ``message`` says what is wrong and where, ``fix``
    how to mend it. Neither may hold a prompt, an answer or training text.
    """

    code: ClassVar[str] = "domain-error"
    title: ClassVar[str] = "The request can't be done"
    kind: ClassVar[ErrorKind] = ErrorKind.INVALID

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        errors: list[dict[str, Any]] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.errors = errors or []
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int:
        """The HTTP status of this error's kind."""
        return STATUS[self.kind]


class NotFound(DomainError):
    """The named thing does not exist, or the caller may not know that it does."""

    code = "not-found"
    title = "Not found"
    kind = ErrorKind.NOT_FOUND


class Conflict(DomainError):
    """The state has moved on, or another act is in progress."""

    code = "conflict"
    title = "The state does not allow this"
    kind = ErrorKind.CONFLICT


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"
    title = "Not allowed"
    kind = ErrorKind.FORBIDDEN


class Invalid(DomainError):
    """The input is malformed or out of range."""

    code = "invalid"
    title = "The input is not valid"
    kind = ErrorKind.INVALID


class Unavailable(DomainError):
    """Something that is needed does not answer now; trying again later may work."""

    code = "unavailable"
    title = "Not available now"
    kind = ErrorKind.UNAVAILABLE


class StoreAway(Unavailable):
    """The object store does not answer, or refuses."""

    code = "store-away"
    title = "The object store does not answer"


class NoRoom(DomainError):
    """The disk or the store is full; nothing of what was to be written is kept."""

    code = "no-room"
    title = "There is no room left"
    kind = ErrorKind.NO_ROOM
