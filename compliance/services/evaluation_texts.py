"""Shows people the texts of an evaluation; each reading stands in the audit trail."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db import transaction

from compliance.models import EvaluationItem, EvaluationRun
from compliance.services import audit
from config.core import keys
from config.core.actors import Actor

MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class ItemText:
    """What was asked and what was answered; patient text, never logged."""

    asked: str = field(repr=False)
    answered: str = field(repr=False)


def read_texts(
    *, run: EvaluationRun, indexes: Collection[int], actor: Actor
) -> dict[int, ItemText]:
    """Decrypt the texts of at most ``MAX_ITEMS`` items of a run; who read which is recorded.

    The event names the items by number and never holds what they say.
    """
    wanted = sorted(set(indexes))[:MAX_ITEMS]
    if not wanted:
        return {}
    with transaction.atomic():
        audit.record(
            action="evaluation.texts_read",
            actor=actor,
            object_type="evaluation_run",
            object_id=str(run.uuid),
            object_rev=run.digest,
            diff={
                "items": [None, ", ".join(str(index + 1) for index in wanted)],
                "evaluation_set": [None, str(run.evaluation_set)],
            },
        )
        asked = dict(
            EvaluationItem.objects.filter(
                evaluation_set_id=run.evaluation_set_id, index__in=wanted
            ).values_list("index", "text_encrypted")
        )
        answered = dict(run.rows.filter(index__in=wanted).values_list("index", "answer_encrypted"))
    return {
        index: ItemText(_text(asked.get(index)), _text(answered.get(index)))
        for index in wanted
        if index in asked
    }


def _text(encrypted: bytes | memoryview | None) -> str:
    return keys.decrypt(bytes(encrypted)) if encrypted is not None else ""
