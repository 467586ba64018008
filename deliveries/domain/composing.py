"""Composes a prompt from adapters: which, in what order, with what weight, and what to warn of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deliveries.domain.token_format import TokenFormat

NOTHING_ACTIVE = "No active adapters found for composition"


class NullOrdinal(StrEnum):
    """Where adapters without an ordinal stand: after the numbered ones, or as if it were 0."""

    LAST = "last"
    ZERO = "zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An active adapter; ``left_out`` says why it may not be composed, empty where it may."""

    id: str
    name: str
    weight: float
    ordinal: int | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An adapter that is in the prompt, and the token that stands for it."""

    candidate: Candidate
    token: str


@dataclass(frozen=True, slots=True)
class Composed:
    """The adapters in the order of the prompt, and what the caller should know."""

    chosen: tuple[Chosen, ...]
    warnings: tuple[str, ...]

    @property
    def tokens(self) -> list[str]:
        """The tokens in the order of the prompt."""
        return [chosen.token for chosen in self.chosen]


def choose(
    candidates: Iterable[Candidate],
    *,
    null_ordinal: NullOrdinal = NullOrdinal.LAST,
    token_format: TokenFormat,
) -> Composed:
    """Order what may be composed, keep one of each name, and write the tokens.

    Numbered adapters come first by ordinal, name and id, the others follow by name and id. Of
    several with one name the highest weight counts, at the place of the first.
    """
    given = list(candidates)
    allowed = sorted(
        (each for each in given if not each.left_out), key=lambda each: _place(each, null_ordinal)
    )
    best: dict[str, Candidate] = {}
    count: dict[str, int] = {}
    for each in allowed:
        count[each.name] = count.get(each.name, 0) + 1
        if each.name not in best or each.weight > best[each.name].weight:
            best[each.name] = each  # a key that is there keeps its place
    chosen: list[Chosen] = []
    warnings = [
        f'"{each.name}" is left out: {each.left_out}'
        for each in sorted(given, key=lambda each: (each.name, each.id))
        if each.left_out
    ]
    for name, each in best.items():
        token = token_format.token(name, each.weight)
        chosen.append(Chosen(each, token.text))
        if count[name] > 1:
            warnings.append(
                f'"{name}" is active {count[name]} times; its highest weight counts: {each.weight}'
            )
        if token.is_zero:
            warnings.append(f'"{name}" has weight 0 and changes nothing')
    if not chosen:
        warnings.insert(0, NOTHING_ACTIVE)
    return Composed(tuple(chosen), tuple(warnings))


def join(prefix: str, tokens: Sequence[str], suffix: str) -> str:
    """The parts with one space between them; empty ones leave no space behind."""
    parts = (prefix.strip(), *tokens, suffix.strip())
    return " ".join(part for part in parts if part)


def _place(each: Candidate, null_ordinal: NullOrdinal) -> tuple[bool, int, str, str]:
    is_last = each.ordinal is None and null_ordinal is NullOrdinal.LAST
    return is_last, each.ordinal or 0, each.name, each.id
