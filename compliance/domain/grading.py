"""Graders of evaluation answers: which class an answer gives, and whether it is the right one."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from compliance.domain.evaluation import METRIC_CODE


@dataclass(frozen=True)
class Grade:
    """``given`` is one of the set's classes or empty: an answer's own text is patient data."""

    given: str
    is_correct: bool


Grader = Callable[[str, str, Collection[str]], Grade]


def normalised(text: str) -> str:
    """Without outer space, lower case, runs of white space as one blank."""
    return " ".join(text.split()).casefold()


def exact_match(answer: str, expected: str, classes: Collection[str]) -> Grade:
    """The class whose text the answer is, apart from case and white space."""
    wanted = normalised(answer)
    given = next((name for name in classes if normalised(name) == wanted), "")
    return Grade(given, bool(given) and normalised(given) == normalised(expected))


GRADERS: dict[str, tuple[Grader, str]] = {"exact_match": (exact_match, METRIC_CODE)}
"""Name of a grader → the grader and the metric code that results carry."""
