"""Reports on answers of the playground: only what a person sends here is stored."""

import hmac
import json

from config.core import keys
from config.core.actors import Actor
from config.core.digests import canonical_json
from config.core.errors import Invalid
from serving.services import feedback

CATEGORIES = ("wrong", "harmful", "invented", "form", "slow", "other")
MAX_NOTE_CHARS = 2000


def seal(*, answer_id: str, prompt: str, answer: str, by: str) -> str:
    """Hex of a keyed hash that says: this account was given this answer to this prompt."""
    return keys.keyed_hash(
        "playground-answer", canonical_json([answer_id, prompt, answer, by])
    ).hex()


def report(
    *,
    answer_id: str,
    category: str,
    note: str = "",
    prompt: str = "",
    answer: str = "",
    sealed: str = "",
    is_text_kept: bool = False,
    actor: Actor,
) -> feedback.Recorded:
    """Say that an answer was bad; prompt and answer are kept, encrypted, only where asked for.

    The server kept nothing of them: they come from the page, and ``sealed`` proves that they are
    what was asked and answered.

    Raises:
        Invalid: the category is unknown, the note too long, or the texts are not what was said.
        AnswerUnknown, FeedbackClosed: as ``feedback.record``.
    """
    if category not in CATEGORIES:
        raise Invalid(
            "The category of the report is unknown.", fix=f"Known: {', '.join(CATEGORIES)}."
        )
    if len(note) > MAX_NOTE_CHARS:
        raise Invalid(f"The note has more than {MAX_NOTE_CHARS} characters.", fix="Shorten it.")
    told: dict[str, str] = {"note": note} if note.strip() else {}
    if is_text_kept:
        expected = seal(answer_id=answer_id, prompt=prompt, answer=answer, by=actor.name)
        if not hmac.compare_digest(expected.encode(), sealed.encode()):
            raise Invalid(
                "These texts are not what was asked and answered.",
                fix="Report without the texts, or ask again and report that answer.",
            )
        told |= {"prompt": prompt, "answer": answer}
    return feedback.record(
        answer_id=answer_id,
        verdict="bad",
        category=category,
        text=json.dumps(told, ensure_ascii=False) if told else "",
        actor=actor,
    )
