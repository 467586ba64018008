"""Takes what people say of an answer; the first verdict counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from config.core import clock, keys
from config.core.actors import Actor
from config.core.errors import DomainError, ErrorKind, Invalid
from registry.models import Version
from serving.domain import answer_ids
from serving.domain.answer_ids import AnswerId, AnswerUnknown
from serving.models import Answer, Deployment, Feedback, Rollout
from serving.services.answers import answer_mac

VERDICTS = frozenset({"good", "bad"})
MAX_CATEGORY_CHARS = 60
MAX_TEXT_CHARS = 4000
OPEN_FOR = timedelta(days=7)
TEXTS_KEPT_FOR = timedelta(days=30)


class FeedbackClosed(DomainError):
    """The answer is older than feedback is taken for."""

    code = "feedback_closed"
    title = "The answer is too old for feedback"
    kind = ErrorKind.GONE


@dataclass(frozen=True, slots=True)
class Recorded:
    """The verdict that counts for the answer, and whether it is the one that was just given."""

    feedback: Feedback
    is_counted: bool

    @property
    def verdict(self) -> str:
        """``good`` or ``bad``."""
        return "bad" if self.feedback.is_bad else "good"


def record(
    *, answer_id: str, verdict: str, category: str = "", text: str = "", actor: Actor
) -> Recorded:
    """Keep a verdict on an answer, joined by what its id says even if its row was lost.

    Raises:
        Invalid: the verdict is none of ``VERDICTS``.
        AnswerUnknown: the id was not issued here, or its caller never saw that answer.
        FeedbackClosed: the answer is more than seven days old.
    """
    if verdict not in VERDICTS:
        raise Invalid("The verdict is neither good nor bad.")
    decoded = answer_ids.decode(answer_id, mac=answer_mac)
    issued_at = datetime.fromtimestamp(decoded.issued_at_seconds, UTC)
    if clock.now() - issued_at > OPEN_FOR:
        raise FeedbackClosed(
            f"The answer is older than {OPEN_FOR.days} days; feedback on it is closed.",
            fix="Report it to the people who run the deployment.",
        )
    row = Answer.objects.filter(answer_id=answer_id).first()
    facts = _facts_without_row(decoded) if row is None else _facts_of_row(row)
    feedback, is_new = Feedback.objects.get_or_create(
        answer_id=answer_id,
        defaults={
            **facts,
            "arm": decoded.arm,
            "stage": decoded.stage,
            "is_bad": verdict == "bad",
            "category": category,
            "text_encrypted": keys.encrypt(text) if text else None,
            "reported_by": actor.name,
            "at": clock.now(),
        },
    )
    return Recorded(feedback, is_new)


def forget_texts() -> int:
    """Remove the texts of reports that are older than ``TEXTS_KEPT_FOR``; how many."""
    old = Feedback.objects.filter(text_encrypted__isnull=False, at__lt=clock.now() - TEXTS_KEPT_FOR)
    return old.update(text_encrypted=None)


def _facts_of_row(row: Answer) -> dict[str, object]:
    if row.was_replaced:
        raise AnswerUnknown("No caller was given this answer.")
    return {
        "deployment_id": row.deployment_id,
        "rollout_id": row.rollout_id,
        "digest": row.digest,
    }


def _facts_without_row(decoded: AnswerId) -> dict[str, object]:
    """The same from the id alone."""
    deployment = (
        Deployment.objects.select_related("base_model").filter(pk=decoded.deployment_pk).first()
    )
    version = Version.objects.filter(pk=decoded.version_pk).first()
    rollout = Rollout.objects.filter(
        pk=decoded.rollout_pk, deployment_id=decoded.deployment_pk
    ).first()
    if (
        deployment is None
        or (decoded.version_pk and version is None)
        or (decoded.rollout_pk and rollout is None)
    ):
        raise AnswerUnknown("What this answer id names is not here any more.")
    return {
        "deployment": deployment,
        "rollout": rollout,
        "digest": deployment.base_model.digest if version is None else version.digest,
    }
