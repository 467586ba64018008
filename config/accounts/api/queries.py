"""The query of a list: what is not understood is refused, never left out in silence."""

from collections.abc import Collection, Iterable

from django.http import QueryDict

from config.core.digests import WHOLE_SHA256
from config.core.errors import DomainError

_SHOWN_LETTERS = 60


class QueryInvalid(DomainError):
    """The address asks for something that the list does not know, or in a form that is none."""

    code = "query-invalid"
    title = "The list can't be asked like this"

    def __init__(self, name: str, message: str, *, fix: str) -> None:
        pointer = f"/{name[:_SHOWN_LETTERS]}"
        super().__init__(message, fix=fix, errors=[{"pointer": pointer, "message": message}])


def refuse_unknown(query: QueryDict, *, allowed: Collection[str]) -> None:
    """Let only ``allowed`` names pass, each once: a misspelt filter would give the whole list.

    Raises:
        QueryInvalid: naming the parameter.
    """
    for name, values in query.lists():
        if name not in allowed:
            raise QueryInvalid(
                name,
                f"This list knows no parameter {name[:_SHOWN_LETTERS]!r}.",
                fix=f"It knows {_listed(allowed)}." if allowed else "Ask without parameters.",
            )
        if len(values) > 1:
            raise QueryInvalid(
                name, f"{name} is given {len(values)} times.", fix=f"Give {name} once."
            )


def one_of(query: QueryDict, name: str, choices: Collection[str]) -> str:
    """The value of ``name``, empty where it is not given.

    Raises:
        QueryInvalid: it is none of ``choices``.
    """
    value = str(query.get(name, ""))
    if name in query and value not in choices:
        raise QueryInvalid(
            name,
            f"{name} is {value[:_SHOWN_LETTERS]!r}, which is none of its values.",
            fix=f"Use one of {_listed(choices)}, or leave {name} out.",
        )
    return value


def digest(query: QueryDict, name: str) -> str:
    """The SHA-256 in ``name``, empty where it is not given.

    Raises:
        QueryInvalid: it is no whole SHA-256.
    """
    value = str(query.get(name, ""))
    if name in query and not WHOLE_SHA256.fullmatch(value):
        raise QueryInvalid(
            name,
            f"{name} is no whole SHA-256.",
            fix=f"Give {name} as 64 hexadecimal digits in lower case, or leave it out.",
        )
    return value


def whole_number(query: QueryDict, name: str, *, low: int, high: int, default: int) -> int:
    """The value of ``name``, or ``default`` where it is not given.

    Raises:
        QueryInvalid: it is no whole number from ``low`` to ``high``.
    """
    if name not in query:
        return default
    text = str(query[name])
    digits = len(str(high))
    if not (text.isascii() and text.isdigit() and len(text) <= digits and low <= int(text) <= high):
        raise QueryInvalid(
            name,
            f"{name} is {text[:_SHOWN_LETTERS]!r}, no whole number from {low} to {high}.",
            fix=f"Give {name} as a number from {low} to {high}, or leave it out.",
        )
    return int(text)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
