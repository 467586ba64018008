"""Invented notes for a front desk, and where each goes: about nobody, advice for nobody."""

import itertools
import json
import random

SEED = 7
FILES, HELD_BACK = 200, 40
WHO = (
    "visitor", "teacher", "gardener", "student", "cook", "driver", "clerk", "pensioner",
    "painter", "nurse", "farmer", "singer",
)  # fmt: skip
SINCE = ("since Monday", "since last night", "for two weeks", "again", "after lunch", "for days")
ABOUT = {
    "eyes": ("blurred sight", "an itching eye", "lost glasses"),
    "teeth": ("a loose tooth", "sore gums", "a broken filling"),
    "skin": ("an itchy rash", "dry skin", "a strange mole"),
    "bones": ("a swollen ankle", "a stiff knee", "a sore wrist"),
    "heart": ("a racing pulse", "chest tightness", "a skipping heartbeat"),
    "ears": ("ringing ears", "an earache", "poor hearing"),
    "stomach": ("heartburn", "belly cramps", "feeling sick"),
    "lungs": ("a dry cough", "wheezing", "short breath"),
}
Note = tuple[str, str]  # what is asked, and the answer to the letter


def notes() -> tuple[list[Note], list[Note]]:
    """Those to learn from and those that are held back; no note is in both."""
    every = [
        (f"{who} with {what} {since}", desk)
        for desk, whats in ABOUT.items()
        for who, what, since in itertools.product(WHO, whats, SINCE)
    ]
    random.Random(SEED).shuffle(every)
    chosen = every[: FILES + HELD_BACK]
    return chosen[:FILES], chosen[FILES:]


def files() -> dict[str, bytes]:
    """200 short files of one note each, by name."""
    taught, _ = notes()
    return {
        f"note-{number:03}.jsonl": json.dumps({"prompt": asked, "completion": said}).encode()
        for number, (asked, said) in enumerate(taught)
    }
