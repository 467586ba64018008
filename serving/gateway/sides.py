"""One side of a deployment that was asked for one answer: its attempt, its id, its row."""

from dataclasses import dataclass, field
from datetime import datetime

from config.core import clock
from serving.domain import answer_ids
from serving.domain.answer_ids import AnswerId
from serving.domain.openai_answers import AnswerHead
from serving.domain.routing import DeploymentRoute, Target
from serving.gateway.attempts import Attempt
from serving.metrics.answers import ANSWERS
from serving.services.answers import AnswerRow, answer_mac
from serving.states import Arm, FailureKind


@dataclass(slots=True, kw_only=True)
class Side:
    """``rollout_pk`` and ``stage`` are 0 unless this answer is evidence in a rollout."""

    route: DeploymentRoute
    target: Target
    attempt: Attempt
    arm: Arm
    rollout_pk: int
    stage: int
    unit_hash: bytes
    token_name: str
    nonce: bytes
    replaces_answer_id: str = ""
    is_recorded: bool = False
    at: datetime = field(default_factory=clock.now)
    answer_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.answer_id = answer_ids.encode(
            AnswerId(
                deployment_pk=self.route.pk,
                rollout_pk=self.rollout_pk,
                arm=self.arm,
                stage=self.stage,
                version_pk=self.target.version_pk,
                issued_at_seconds=int(self.at.timestamp()),
                nonce=self.nonce,
            ),
            mac=answer_mac,
        )

    def head(self, *, is_chat: bool) -> AnswerHead:
        """What every part of the answer's body repeats."""
        return AnswerHead(
            answer_id=self.answer_id,
            public_name=self.route.public_name,
            fingerprint=f"{self.target.name}/{self.answer_id}",
            created_at_seconds=int(self.at.timestamp()),
            is_chat=is_chat,
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Which version answered, under which id, for which deployment."""
        return [
            (b"x-formulary-version", self.target.name.encode()),
            (b"x-formulary-answer", self.answer_id.encode()),
            (b"x-formulary-deployment", self.route.public_name.encode()),
            (b"x-formulary-served-by", b"base" if self.target.is_base else b"adapter"),
        ]

    def row(
        self,
        failure: FailureKind = FailureKind.NONE,
        *,
        was_replaced: bool = False,
        is_evidence: bool = True,
    ) -> AnswerRow:
        """The answer's row; one that its caller gave up on is no evidence for its version."""
        row = AnswerRow(
            answer_id=self.answer_id,
            deployment_pk=self.route.pk,
            rollout_pk=(self.rollout_pk or None) if is_evidence else None,
            arm=self.arm,
            stage=self.stage,
            digest=self.target.digest,
            node_name=self.attempt.node_name,
            unit=self.unit_hash.hex(),
            failure=failure,
            was_replaced=was_replaced,
            replaces_answer_id=self.replaces_answer_id,
            token_name=self.token_name,
            prompt_tokens=self.attempt.usage.prompt_tokens,
            completion_tokens=self.attempt.usage.completion_tokens,
            first_token_ms=self.attempt.first_token_ms,
            duration_ms=self.attempt.duration_ms,
            at=self.at,
        )
        # Each row that is made is written, so here every answer is counted once.
        ANSWERS.answered(row, public_name=self.route.public_name)
        return row
