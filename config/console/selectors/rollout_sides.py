"""What each side of a rollout answered, what it is called, and which acts its state allows."""

from dataclasses import dataclass, field

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from config.console import words
from serving.models import Answer, Feedback, Rollout
from serving.selectors.deployments import may_promote_undecided
from serving.states import (
    Arm,
    FailureKind,
    PauseKind,
    RolloutState,
)

MALFORMED = (FailureKind.CONTRACT_BROKEN, FailureKind.EMPTY)


@dataclass
class ArmCounts:
    """What one side answered; replacements of the canary's answers count for neither."""

    name: str
    answers: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    replaced: int = 0
    reported: int = 0

    @property
    def failed(self) -> int:
        """Answers that were not in order."""
        return sum(self.failures.values())

    @property
    def malformed(self) -> int:
        """Answers that broke the agreed form or were empty."""
        return sum(self.failures.get(kind, 0) for kind in MALFORMED)

    @property
    def words(self) -> str:
        """What was wrong, by kind."""
        parts = [
            f"{count} {words.FAILURE.get(kind, kind)}"
            for kind, count in sorted(self.failures.items())
        ]
        return words.listed(parts) or "none"


def name_of(rollout: Rollout, side: str) -> str:
    """The version's name on one side, or that it is the base model."""
    revision = rollout.to_revision if side == "to" else rollout.from_revision
    if revision is None:
        return "nothing"
    return revision.version.version_name if revision.version else _("the base model")


def act_state(rollout: Rollout) -> str:
    """The state as far as acts depend on it: ``undecided`` and ``superseded`` besides."""
    if rollout.state == RolloutState.PAUSED:
        is_open = rollout.paused_kind == PauseKind.INCONCLUSIVE
        return "undecided" if is_open and may_promote_undecided(rollout.deployment) else "paused"
    is_past = rollout.to_revision_id != rollout.deployment.stable_revision_id
    return "superseded" if rollout.state == RolloutState.PROMOTED and is_past else rollout.state


def is_paused(rollout: Rollout) -> bool:
    """Whether it waits for a person."""
    return rollout.state == RolloutState.PAUSED


def counts_of(rollout: Rollout) -> tuple[ArmCounts, ArmCounts]:
    """What the candidate and what stable answered."""
    arms = {
        str(Arm.CANARY): ArmCounts(name_of(rollout, "to")),
        str(Arm.STABLE): ArmCounts(name_of(rollout, "from")),
    }
    rows = (
        Answer.objects.filter(rollout=rollout, replaces_answer_id="")
        .values_list("arm", "failure")
        .annotate(count=Count("pk"), replaced=Count("pk", filter=Q(was_replaced=True)))
        .order_by()
    )
    for arm, failure, count, replaced in rows:
        counts = arms[arm]
        counts.answers += count
        counts.replaced += replaced
        if failure:
            counts.failures[failure] = count
    reported = (
        Feedback.objects.filter(rollout=rollout, is_bad=True)
        .values_list("arm")
        .annotate(count=Count("pk"))
        .order_by()
    )
    for arm, count in reported:
        arms[arm].reported = count
    return arms[str(Arm.CANARY)], arms[str(Arm.STABLE)]
