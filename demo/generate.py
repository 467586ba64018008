"""Write the demo's sets: seeded, noisy, without people; ``python -m demo.generate``."""

import argparse
import hashlib
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from demo import phrases, rules, task

DATA = Path(__file__).parent / "data"
SUMS = "SHA256SUMS"
SEED = 20_240

Item = dict[str, Any]
CountTokens = Callable[[str], int]

SETS: dict[str, dict[str, int]] = {
    "eval_adults": {"adult_short": 120},
    "eval_children": {"child_short": 60},
    "traffic_pool": {"adult_short": 50, "child_short": 30, "adult_long": 12, "child_long": 8},
    "train": {"adult_short": 1400, "child_short": 840, "adult_long": 96, "child_long": 64},
}


def prompt_counter(base: Path) -> CountTokens:
    """A function that counts the tokens of the whole prompt of a note, template included."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)

    mark = "<<note>>"  # the template is rendered once: rendering costs more than counting
    text = tokenizer.apply_chat_template(
        task.messages(mark), add_generation_prompt=True, tokenize=False
    )

    def count(note: str) -> int:
        return len(tokenizer.encode(text.replace(mark, note), add_special_tokens=False))

    return count


def _typo(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    at = rng.randrange(len(words))
    word = words[at]
    if len(word) < 5 or not word.isalpha():
        return text
    i = rng.randrange(1, len(word) - 2)
    words[at] = rng.choice(
        (
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
            word[:i] + word[i + 1 :],
            word[:i] + word[i] + word[i:],
        )
    )
    return " ".join(words)


def _abbreviate(rng: random.Random, text: str) -> str:
    for long, short in phrases.ABBREVIATIONS:
        if long in text and rng.random() < 0.3:
            text = text.replace(long, short, 1)
    return text


def _draw_case(rng: random.Random, age_group: str) -> tuple[str, str | None, str]:
    band = "adult"
    if age_group == "child":
        band = "infant" if rng.random() < 0.3 else "child"
    names = [n for n, c in rules.COMPLAINTS.items() if band in c.outcomes]
    name = rng.choice(names)
    signs = [s for s, by in rules.COMPLAINTS[name].with_sign.items() if band in by]
    sign = rng.choice(signs) if signs and rng.random() < 0.45 else None
    return name, sign, band


def _clauses(rng: random.Random, name: str, sign: str | None) -> list[str]:
    """The sign, or what is denied, and now and then something that does not matter."""
    if sign:
        clauses = [rng.choice(rules.SIGNS[sign].phrases)]
    else:
        own = list(rules.COMPLAINTS[name].with_sign)
        clauses = []
        if rng.random() < 0.4:
            pick = own if own and rng.random() < 0.7 else list(rules.SIGNS)
            denied = rng.choice(pick)
            clauses = [rng.choice(rules.SIGNS[denied].denied)]
    if rng.random() < 0.35:
        beside = phrases.DISTRACTORS if rng.random() < 0.5 else phrases.CHATTER
        clauses.insert(rng.randrange(len(clauses) + 1), rng.choice(beside))
    return clauses


def _draw_note(rng: random.Random, name: str, sign: str | None, band: str, length: str) -> str:
    case = ", ".join([rng.choice(rules.COMPLAINTS[name].phrases), *_clauses(rng, name, sign)])
    age = rng.choice(phrases.AGES[band])
    note = rng.choice(phrases.OPENINGS).format(age=age, case=case)
    note = _abbreviate(rng, note)
    if rng.random() < 0.25:
        note = _typo(rng, note)
    if length == "short":
        return note
    fillers = rng.sample(phrases.FILLERS, rng.randint(3, 5))
    before = rng.randint(0, 2)
    return " ".join([*fillers[:before], f"{note}.", *fillers[before:]])


def _fits(tokens: int, length: str) -> bool:
    if length == "short":
        return tokens <= task.SHORT_PROMPT_TOKENS
    # A clear gap between short and long, so that nobody argues about a note in between.
    return task.SHORT_PROMPT_TOKENS + 14 <= tokens <= task.LONG_PROMPT_TOKENS


def draw_item(
    rng: random.Random, *, age_group: str, length: str, count: CountTokens, seen: set[str]
) -> Item:
    """One new item whose note is not in ``seen`` (it is added) and fits the token limits."""
    while True:
        name, sign, band = _draw_case(rng, age_group)
        note = _draw_note(rng, name, sign, band, length)
        tokens = count(note)
        if note.lower() in seen or not _fits(tokens, length):
            continue
        seen.add(note.lower())
        level, department = rules.outcome(complaint=name, sign=sign, band=band)
        adult = rules.outcome(complaint=name, sign=sign, band=band, rules="adult")
        return {
            "id": hashlib.sha256(note.encode()).hexdigest()[:12],
            "note": note,
            "answer": task.answer_text(level, department),
            "level": level,
            "department": department,
            "groups": {"age_group": age_group, "length": length},
            "by_adult_rules": task.answer_text(*adult),
            "prompt_tokens": tokens,
        }


def draw_sets(*, seed: int, count: CountTokens) -> dict[str, list[Item]]:
    """All sets of a seed, disjoint from each other; the evaluation sets are drawn first."""
    rng = random.Random(seed)
    seen: set[str] = set()
    drawn: dict[str, list[Item]] = {}
    for name, parts in SETS.items():
        items = [
            draw_item(rng, age_group=age_group, length=length, count=count, seen=seen)
            for part, n in parts.items()
            for age_group, length in [part.split("_")]
            for _ in range(n)
        ]
        rng.shuffle(items)
        drawn[name] = items
    return drawn


def write_sets(folder: Path, sets: dict[str, list[Item]]) -> Iterable[str]:
    """Write each set as JSON lines and their digests as ``sha256sum -c`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, items in sorted(sets.items()):
        data = "".join(json.dumps(item) + "\n" for item in items).encode()
        (folder / f"{name}.jsonl").write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {name}.jsonl")
    (folder / SUMS).write_text("\n".join(lines) + "\n")
    return lines


def read_set(name: str, folder: Path = DATA) -> list[Item]:
    """The items of a committed set, in order."""
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def main() -> None:
    """Draw the sets of ``--seed`` into ``--out`` and print their digests."""
    from registry.sources.packaged_base import prepare_packaged_base

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    base = prepare_packaged_base(Path("var/models/smollm2-135m"))
    for line in write_sets(
        arguments.out, draw_sets(seed=arguments.seed, count=prompt_counter(base))
    ):
        print(line)


if __name__ == "__main__":
    main()
