"""A small task for scripted adapters: notes, and what each version says to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.engines.memory import ANSWERS_FILE
from tests.factories import registry as make

CLASSES = ("routine", "soon", "urgent")
CONTRACT = {"max_tokens": 4, "pattern": "routine|soon|urgent", "stop_reasons": ["stop"]}
TEMPLATE = [{"role": "user", "content": "Note: {text}"}]
LONG_CHARS = 200
CHATTER = "I would say that it is urgent"
ALL_AGES = [
    {"attribute": "age_group", "level": "adult"},
    {"attribute": "age_group", "level": "child"},
]


@dataclass(frozen=True)
class Note:
    """A note; its right class is its last word, and a tricky one is never ``soon``."""

    number: int
    age_group: str
    is_tricky: bool = False
    is_long: bool = False

    @property
    def right(self) -> str:
        return "routine" if self.is_tricky else CLASSES[self.number % 3]

    @property
    def text(self) -> str:
        trait = "tricky" if self.is_tricky else "plain"
        story = "with a long story " * 12 if self.is_long else ""
        return f"{self.age_group} {self.number}, {trait}, {story}{self.right}"

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": TEMPLATE[0]["content"].format(text=self.text)}]


def items(age_group: str, count: int) -> bytes:
    """An evaluation set as JSON lines: short notes, one in twelve of them tricky."""
    notes = [Note(n, age_group, is_tricky=n % 12 == 0) for n in range(count)]
    lines = [
        {"text": note.text, "expected": note.right, "groups": {"age_group": age_group}}
        for note in notes
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


def pool(count: int) -> list[Note]:
    """What clients ask about: a third is tricky, a fifth long, a quarter of children."""
    return [
        Note(
            1000 + n,
            "child" if n % 4 == 0 else "adult",
            is_tricky=n % 3 == 0,
            is_long=n % 5 == 0,
        )
        for n in range(count)
    ]


_RIGHT = [{"contains": word, "answer": word} for word in CLASSES]
RULES: Mapping[str, list[dict[str, Any]]] = {
    "v1": [{"contains": "tricky", "answer": "soon"}, *_RIGHT],
    "v2": _RIGHT,
    "v3": [{"contains": "child", "answer": "soon"}, *_RIGHT],
    "v4": [{"min_chars": LONG_CHARS, "answer": CHATTER}, *_RIGHT],
}


def says(name: str, note: Note) -> str:
    """What a version of this name answers to a note, said once more in plain words."""
    if name == "v1" and note.is_tricky:
        return "soon"
    if name == "v3" and note.age_group == "child":
        return "soon"
    return CHATTER if name == "v4" and note.is_long else note.right


def package(name: str, *, base_name: str) -> dict[str, bytes]:
    """Path → bytes of the version's package: real weights, and the script of its answers."""
    seed = int(name[1:])
    files = make.package(rank=8, seed=seed, base_name=base_name, lora_alpha=16)
    return {**files, ANSWERS_FILE: json.dumps({"rules": RULES[name]}).encode()}
