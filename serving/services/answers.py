"""Writes the row of each answer, many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.core import keys
from serving.models import Answer
from serving.states import Arm, FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One answer as ``serving.models.Answer`` keeps it; never its text."""

    answer_id: str
    deployment_pk: int
    rollout_pk: int | None
    arm: Arm
    stage: int
    digest: str
    node_name: str
    unit: str
    failure: FailureKind
    was_replaced: bool
    replaces_answer_id: str
    token_name: str
    prompt_tokens: int
    completion_tokens: int
    first_token_ms: int | None
    duration_ms: int
    at: datetime


def answer_mac(body: bytes) -> bytes:
    """The HMAC over answer ids."""
    return keys.keyed_hash("answer-id", body)


def record_batch(rows: Sequence[AnswerRow]) -> None:
    """Write ``rows`` in one statement; a row that is there already stays as it is.

    So the same batch may be written again when nobody knows whether its commit came through.
    """
    Answer.objects.bulk_create(
        [
            Answer(
                answer_id=row.answer_id,
                deployment_id=row.deployment_pk,
                rollout_id=row.rollout_pk,
                arm=row.arm,
                stage=row.stage,
                digest=row.digest,
                node_name=row.node_name,
                unit=row.unit,
                failure=row.failure,
                was_replaced=row.was_replaced,
                replaces_answer_id=row.replaces_answer_id,
                token_name=row.token_name,
                prompt_tokens=row.prompt_tokens,
                completion_tokens=row.completion_tokens,
                first_token_ms=row.first_token_ms,
                duration_ms=row.duration_ms,
                at=row.at,
            )
            for row in rows
        ],
        ignore_conflicts=True,
    )
