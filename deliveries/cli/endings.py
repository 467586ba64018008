"""How the command ends: exit codes, and the errors that lead to them."""

from enum import IntEnum


class Exit(IntEnum):
    """What a pipeline goes by; docs/cli.md lists them."""

    OK = 0
    REFUSED = 1
    WRONG_USE = 2
    AWAY = 3
    INTERRUPTED = 130


class Ended(Exception):
    """The command can't go on; ``fix`` says how to mend it."""

    exit = Exit.REFUSED

    def __init__(self, message: str, *, fix: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message, self.fix, self.code = message, fix, code


class Refused(Ended):
    """The server, or a check, says no; ``errors`` are the problem's, ``status`` is HTTP's."""

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        code: str = "",
        status: int = 0,
        errors: list[dict[str, object]] | None = None,
    ) -> None:
        super().__init__(message, fix=fix, code=code)
        self.status, self.errors = status, errors or []


class WrongUse(Ended):
    """The command was called wrongly, or what it was given can't be read."""

    exit = Exit.WRONG_USE


class Away(Ended):
    """The server does not answer, or not in time."""

    exit = Exit.AWAY


class Faulty(Ended):
    """The server answers wrongly, or can't be trusted; waiting does not mend it."""

    exit = Exit.AWAY
