"""The demo's task: a short invented note goes to an urgency level and a department.

Rules, phrases and notes are made up for this project. They describe nobody and advise nobody.
"""

import re
from collections.abc import Mapping
from typing import Any

LEVELS = ("routine", "urgent", "emergency")
DEPARTMENTS = (
    "medicine",
    "pediatrics",
    "cardiology",
    "neurology",
    "surgery",
    "orthopedics",
    "dermatology",
)

# The shortest system text that keeps the base's own long default out of every prompt.
SYSTEM_TEXT = "Triage"
PROMPT_TEMPLATE: tuple[dict[str, str], ...] = (
    {"role": "system", "content": SYSTEM_TEXT},
    {"role": "user", "content": "{note}"},
)

MAX_TOKENS = 6
SHORT_PROMPT_TOKENS = 48
LONG_PROMPT_TOKENS = 112
ANSWER_PATTERN = rf"(?:{'|'.join(LEVELS)}) (?:{'|'.join(DEPARTMENTS)})"

_ANSWER = re.compile(ANSWER_PATTERN)


def messages(note: str) -> list[dict[str, str]]:
    """The chat messages that ask about ``note``; the base's chat template makes the prompt."""
    return [
        {"role": part["role"], "content": part["content"].replace("{note}", note)}
        for part in PROMPT_TEMPLATE
    ]


def answer_text(level: str, department: str) -> str:
    """The answer in the form that the output contract expects, as ``urgent cardiology``."""
    return f"{level} {department}"


def obeys_contract(answer: str) -> bool:
    """Whether the whole of ``answer`` has the form that the application expects."""
    return _ANSWER.fullmatch(answer) is not None


def is_right(item: Mapping[str, Any], answer: str) -> bool:
    """Whether ``answer`` is what the rules say for ``item`` (a line of a set), to the letter."""
    return answer == item["answer"]
