"""Probe prompts, and whether two answers to them come from the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

PROMPTS = (
    "A person calls the front desk and asks when the clinic opens. The answer is",
    "Note: needs a new appointment next week, no complaints today. Sort this note:",
    "The three most common reasons for a visit are",
    "Write one word that fits best: urgent, soon or later.",
)
MAX_TOKENS = 8
TIE_MARGIN = 1e-3
"""Below this distance of the two best logits either token may come first (rounding)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Answers to ``PROMPTS``: token ids, and margins as decimals in text, of the same shape."""

    tokens: tuple[tuple[int, ...], ...]
    margins: tuple[tuple[str, ...], ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The probe in ``{"tokens", "margins"}``.

        Raises:
            ValueError: it has another shape.
        """
        if not isinstance(value, dict):
            raise ValueError("a probe is an object of tokens and margins")
        tokens, margins = value.get("tokens"), value.get("margins")
        if not isinstance(tokens, list) or not isinstance(margins, list):
            raise ValueError("a probe holds a list of tokens and a list of margins")
        if len(tokens) != len(PROMPTS) or len(margins) != len(PROMPTS):
            raise ValueError(f"a probe answers {len(PROMPTS)} prompts")
        for ids, texts in zip(tokens, margins, strict=True):
            if not isinstance(ids, list) or not isinstance(texts, list) or len(ids) != len(texts):
                raise ValueError("each token of a probe has a margin")
            if not 0 < len(ids) <= MAX_TOKENS:
                raise ValueError(f"an answer to a probe has 1 to {MAX_TOKENS} tokens")
            for token, text in zip(ids, texts, strict=True):
                if not isinstance(token, int) or not isinstance(text, str) or len(text) > 40:
                    raise ValueError("tokens are whole numbers, margins decimals in text")
                if text:
                    float(text)
        return cls(
            tokens=tuple(tuple(ids) for ids in tokens),
            margins=tuple(tuple(texts) for texts in margins),
        )

    def as_json(self) -> dict[str, list[list[Any]]]:
        """As ``from_json`` reads it."""
        return {
            "tokens": [list(ids) for ids in self.tokens],
            "margins": [list(texts) for texts in self.margins],
        }


def disagreement(recorded: Probe, found: Probe) -> str:
    """Where ``found`` can't come from the weights of ``recorded``; empty when it can.

    The first differing token of an answer is accepted where the recorded margin is a tie; what
    follows it has another history and says nothing.
    """
    for number, (old, new) in enumerate(zip(recorded.tokens, found.tokens, strict=True), 1):
        place = _first_difference(old, new)
        if place is None:
            continue
        margins = recorded.margins[number - 1]
        margin = float(margins[place]) if place < len(margins) and margins[place] else None
        if margin is None or margin >= TIE_MARGIN:
            shown = "not recorded" if margin is None else f"{margin:.4g}"
            return f"prompt {number}, token {place + 1}: another token, recorded margin {shown}"
    return ""


def is_same(first: Probe, second: Probe) -> bool:
    """Whether neither tokens nor margins differ: then the adapter does not show in the answers.

    Margins that differ by rounding (a prompt may share its step with others) are the same.
    """
    if first.tokens != second.tokens:
        return False
    pairs = zip(_flat(first.margins), _flat(second.margins), strict=True)
    return all(
        old == new or (old and new and abs(float(old) - float(new)) < TIE_MARGIN)
        for old, new in pairs
    )


def _flat(margins: Sequence[Sequence[str]]) -> list[str]:
    return [text for row in margins for text in row]


def _first_difference(old: Sequence[int], new: Sequence[int]) -> int | None:
    for place, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            return place
    return None if len(old) == len(new) else min(len(old), len(new))
