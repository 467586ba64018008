"""The form that a deployment promises its callers, and whether an answer keeps it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from config.core.errors import Invalid
from serving.states import FailureKind

KEYS = frozenset({"max_tokens", "pattern", "stop_reasons"})
STOP_REASONS = frozenset({"stop", "length"})


class ContractInvalid(Invalid):
    """An output contract has a wrong key or value."""

    code = "contract-invalid"
    title = "The output contract is not valid"


@dataclass(frozen=True, slots=True)
class OutputContract:
    """``max_tokens`` caps each answer, ``pattern`` must match all of its text, and it must end for
    one of ``stop_reasons``. None and empty promise nothing.
    """

    max_tokens: int | None = None
    pattern: re.Pattern[str] | None = None
    stop_reasons: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self | None:
        """The contract in a deployment's JSON field; None when it promises nothing.

        Raises:
            ContractInvalid: naming the key.
        """
        if unknown := sorted(set(value) - KEYS):
            raise ContractInvalid(
                f"The output contract has the unknown key {unknown[0]!r}.",
                fix=f"Known keys: {', '.join(sorted(KEYS))}.",
            )
        contract = cls(
            max_tokens=_max_tokens(value.get("max_tokens")),
            pattern=_pattern(value.get("pattern")),
            stop_reasons=_stop_reasons(value.get("stop_reasons")),
        )
        return None if contract == cls() else contract

    def cap(self, max_tokens: int | None) -> int | None:
        """The lower of what the caller asks for and what the contract allows."""
        given = [limit for limit in (max_tokens, self.max_tokens) if limit is not None]
        return min(given, default=None)

    def judge(self, *, text: str, finish: str, completion_tokens: int) -> FailureKind:
        """What is wrong with a finished answer, ``NONE`` when nothing is."""
        if not text.strip():
            return FailureKind.EMPTY
        is_kept = (
            (not self.stop_reasons or finish in self.stop_reasons)
            and (self.max_tokens is None or completion_tokens <= self.max_tokens)
            and (self.pattern is None or self.pattern.fullmatch(text) is not None)
        )
        return FailureKind.NONE if is_kept else FailureKind.CONTRACT_BROKEN


def judge(
    contract: OutputContract | None, *, text: str, finish: str, completion_tokens: int
) -> FailureKind:
    """What is wrong with a finished answer; without a contract only emptiness is."""
    return (contract or OutputContract()).judge(
        text=text, finish=finish, completion_tokens=completion_tokens
    )


def _max_tokens(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ContractInvalid("max_tokens of the output contract is not a whole number above 0.")
    return value


def _pattern(value: Any) -> re.Pattern[str] | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ContractInvalid("pattern of the output contract is not a text.")
    try:
        return re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ContractInvalid(
            f"pattern of the output contract is not a regular expression: {error}."
        ) from error


def _stop_reasons(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(
        isinstance(item, str) and item in STOP_REASONS for item in value
    ):
        raise ContractInvalid(
            "stop_reasons of the output contract is not a list of known reasons.",
            fix=f"Known reasons: {', '.join(sorted(STOP_REASONS))}.",
        )
    return frozenset(value)
