"""What the page of a rollout shows, and what happened in words."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext as _

from config.console.selectors.rollout_evidence import (
    Evidence,
    evidence_of,
    expected_words,
    needed_words,
)
from config.console.selectors.rollout_sentence import sentence
from config.console.selectors.rollout_sides import ArmCounts, counts_of
from config.core.errors import NotFound
from serving.models import AnalysisRun, Answer, Feedback, Rollout, RolloutStep
from serving.states import (
    OPEN_ROLLOUT_STATES,
)


@dataclass
class RolloutPage:
    """The page's facts."""

    rollout: Rollout
    steps: list[RolloutStep]
    canary: ArmCounts
    stable: ArmCounts
    evidence: list[Evidence]
    comparison: AnalysisRun | None
    sentence: str
    needed: str
    expected: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is under way."""
        return self.rollout.state in OPEN_ROLLOUT_STATES

    @property
    def requests(self) -> int:
        """Requests that were answered during the rollout."""
        return self.canary.answers + self.stable.answers


def rollouts(state: str = "", text: str = "") -> QuerySet[Rollout]:
    """Rollouts with what a list shows: those under way or in one state, of a name."""
    rows = Rollout.objects.select_related(
        "deployment__adapter",
        "to_revision__version__adapter",
        "from_revision__version__adapter",
        "started_by__person",
    )
    if text:
        rows = rows.filter(
            Q(deployment__public_name__icontains=text)
            | Q(deployment__title__icontains=text)
            | Q(to_revision__version__version_name__icontains=text)
            | Q(to_revision__version__adapter__name__icontains=text)
        )
    if state == "open":
        return rows.filter(state__in=OPEN_ROLLOUT_STATES)
    return rows.filter(state=state) if state else rows


def rollout_by_uuid(uuid: UUID) -> Rollout:
    """The rollout with this uuid.

    Raises:
        NotFound: there is none.
    """
    found = rollouts().filter(uuid=uuid).first()
    if found is None:
        raise NotFound(
            _("There is no rollout %(uuid)s.") % {"uuid": uuid},
            fix=_("The list of rollouts names them all."),
        )
    return found


def stamp(uuid: UUID) -> tuple[Any, ...]:
    """What changes whenever the page of a rollout would show something new."""
    row = (
        Rollout.objects.filter(uuid=uuid)
        .values_list(
            "pk", "state", "stage", "weight_percent", "requests_count", "paused_reason", "trigger"
        )
        .first()
    )
    if row is None:
        return ()
    steps = tuple(RolloutStep.objects.filter(rollout=row[0]).values_list("state", "detail"))
    last = AnalysisRun.objects.filter(rollout=row[0]).aggregate(last=Max("pk"))["last"]
    answer = Answer.objects.filter(rollout=row[0]).aggregate(last=Max("pk"))["last"]
    said = Feedback.objects.filter(rollout=row[0]).aggregate(last=Max("pk"))["last"]
    return (*row, steps, last, answer, said)


def rollout_page(rollout: Rollout) -> RolloutPage:
    """Read it all in a fixed number of queries."""
    canary, stable = counts_of(rollout)
    evidence, comparison = evidence_of(rollout)
    steps = list(rollout.steps.all())
    return RolloutPage(
        rollout=rollout,
        steps=steps,
        canary=canary,
        stable=stable,
        evidence=evidence,
        comparison=comparison,
        sentence=sentence(rollout, canary, stable),
        needed=needed_words(rollout, evidence, steps),
        expected=expected_words(rollout),
    )
