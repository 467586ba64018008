"""What the page of a rollout shows, and what happened in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from config.console import words
from config.core.errors import NotFound
from serving.models import AnalysisRun, Answer, Feedback, Rollout, RolloutStep
from serving.selectors.deployments import may_promote_undecided
from serving.states import (
    OPEN_ROLLOUT_STATES,
    Arm,
    FailureKind,
    PauseKind,
    RolloutState,
    Trigger,
)

POINTS_SHOWN = 120
ANALYSES_READ = 3000
TABLE_ROWS = 8
SIGNALS = {
    "failures": "Answers that were not in order",
    "reports": "Answers that were reported as wrong",
}
PAUSED_WORDS = {
    "": " It is paused and waits for a person.",
    PauseKind.PERSON: " A person has paused it.",
    PauseKind.STEP: " It is paused and waits for a person, as was planned.",
    PauseKind.INCONCLUSIVE: " The answers do not decide it: a person has to.",
    PauseKind.TROUBLE: " It is paused because something that it needs is missing.",
}
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


@dataclass
class Evidence:
    """One signal's curve; logarithms to base 10, either side decides at ``limit``."""

    signal: str
    title: str
    points: list[AnalysisRun]

    @property
    def last(self) -> AnalysisRun:
        """The newest reading."""
        return self.points[-1]

    @property
    def table(self) -> list[AnalysisRun]:
        """The newest readings, newest first."""
        return self.points[: -TABLE_ROWS - 1 : -1]

    @property
    def words(self) -> str:
        """How far both sides are on the way to their limits."""
        if self.last.verdict == "failed":
            return "The evidence that it is worse has reached its limit."
        if self.last.verdict == "successful":
            return "The evidence that it is good enough has reached its limit."
        return (
            f"That it is worse: {self.worse_share * 100:.0f} % of the way to the limit. "
            f"That it is good enough: {self.safe_share * 100:.0f} %."
        )

    @property
    def worse_share(self) -> float:
        """How far the evidence against the candidate is on the way to its limit."""
        return _share(self.last.log10_worse, self.last.log10_limit)

    @property
    def safe_share(self) -> float:
        """How far the evidence for the candidate is on the way to its limit."""
        return _share(self.last.log10_safe, self.last.log10_limit)


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
        raise NotFound(f"There is no rollout {uuid}.", fix="The list of rollouts names them all.")
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
    canary, stable = _counts(rollout)
    evidence, comparison = _evidence(rollout)
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
    )


def name_of(rollout: Rollout, side: str) -> str:
    """The version's name on one side, or that it is the base model."""
    revision = rollout.to_revision if side == "to" else rollout.from_revision
    if revision is None:
        return "nothing"
    return revision.version.version_name if revision.version else "the base model"


def act_state(rollout: Rollout) -> str:
    """The state as far as acts depend on it: ``undecided`` and ``superseded`` besides."""
    if rollout.state == RolloutState.PAUSED:
        is_open = rollout.paused_kind == PauseKind.INCONCLUSIVE
        return "undecided" if is_open and may_promote_undecided(rollout.deployment) else "paused"
    is_past = rollout.to_revision_id != rollout.deployment.stable_revision_id
    return "superseded" if rollout.state == RolloutState.PROMOTED and is_past else rollout.state


def _counts(rollout: Rollout) -> tuple[ArmCounts, ArmCounts]:
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


def _evidence(rollout: Rollout) -> tuple[list[Evidence], AnalysisRun | None]:
    rows = list(AnalysisRun.objects.filter(rollout=rollout).order_by("-pk")[:ANALYSES_READ])[::-1]
    by_signal: dict[str, list[AnalysisRun]] = {}
    for row in rows:
        by_signal.setdefault(row.signal, []).append(row)
    comparison = by_signal.pop("comparison", [None])[-1]
    return [
        Evidence(signal, SIGNALS.get(signal, signal), thinned(points))
        for signal, points in sorted(by_signal.items())
    ], comparison


def thinned(points: Sequence[AnalysisRun]) -> list[AnalysisRun]:
    """At most POINTS_SHOWN readings, evenly chosen, the newest always among them."""
    if len(points) <= POINTS_SHOWN:
        return list(points)
    step = len(points) / POINTS_SHOWN
    chosen = [points[int(index * step)] for index in range(POINTS_SHOWN - 1)]
    return [*chosen, points[-1]]


def _share(value: float, limit: float) -> float:
    return max(0.0, min(1.0, value / limit)) if limit > 0 else 0.0


def needed_words(
    rollout: Rollout, evidence: Sequence[Evidence], steps: Sequence[RolloutStep]
) -> str:
    """``About 140 more requests are needed to tell.``; empty where nothing is waited for.

    What the running step says of itself comes first.
    """
    if rollout.state != RolloutState.RUNNING:
        return ""
    running = next((step.detail for step in steps if step.state == "running"), "")
    if running or not evidence:
        return running
    waiting = [curve.last for curve in evidence if curve.last.verdict == "running"]
    if not waiting:
        return ""
    numbers = [row.needed_requests for row in waiting]
    if any(number is None for number in numbers):
        return "There are too few failures or reports yet to say how many requests it takes."
    most = max(number for number in numbers if number is not None)
    if not most:
        return ""
    verb = "is" if most == 1 else "are"
    return f"About {words.counted(most, 'more request', 'more requests')} {verb} needed to tell."


def sentence(rollout: Rollout, canary: ArmCounts, stable: ArmCounts) -> str:
    """The state in plain words; after the end, what happened."""
    new, old = name_of(rollout, "to"), name_of(rollout, "from")
    public = rollout.deployment.public_name
    if rollout.state in {RolloutState.ROLLED_BACK, RolloutState.ROLLING_BACK}:
        return _rollback_story(rollout, canary, stable)
    if rollout.state == RolloutState.PROMOTED and rollout.strategy == "rollback":
        return f"{new} was brought back: it answers every request to {public} instead of {old}."
    if rollout.state == RolloutState.PROMOTED:
        first = "" if rollout.from_revision is None else f" instead of {old}"
        said = f"{new} was promoted: it answers every request to {public}{first}."
        if canary.answers:
            said += (
                f" Before that it gave {words.counted(canary.answers, 'answer')} on trial, "
                f"of which {canary.failed} {'was' if canary.failed == 1 else 'were'} not in order."
            )
        if act_state(rollout) == "superseded":
            said += " Since then another version has taken its place."
        return said
    if rollout.state in {RolloutState.ABORTED, RolloutState.ABORTING}:
        return f"A person aborted the rollout of {new}. {_stays(rollout, old, public)}"
    paused = PAUSED_WORDS.get(rollout.paused_kind, PAUSED_WORDS[""]) if is_paused(rollout) else ""
    if rollout.weight_percent == 0:
        return f"{new} is being prepared; no request to {public} goes to it yet.{paused}"
    if rollout.from_revision is None:
        return f"{new} is the first version of {public}.{paused}"
    if rollout.weight_percent == 100:
        return (
            f"{new} answers every request to {public} and is being watched; {old} is kept ready "
            f"beside it.{paused}"
        )
    return (
        f"{new} is being tried on {rollout.weight_percent} % of the requests to {public}; "
        f"{old} answers the others.{paused}"
    )


def is_paused(rollout: Rollout) -> bool:
    """Whether it waits for a person."""
    return rollout.state == RolloutState.PAUSED


def _stays(rollout: Rollout, old: str, public: str) -> str:
    if rollout.from_revision is None:
        return f"Nothing answers for {public}."
    return f"{old} answers every request to {public}."


def _rollback_story(rollout: Rollout, canary: ArmCounts, stable: ArmCounts) -> str:
    new, old = canary.name, stable.name
    if rollout.trigger == Trigger.CONTRACT_BROKEN and canary.malformed:
        said = f"{new} broke the agreed form in {canary.malformed} of {canary.answers} answers"
        said += f"; {_replaced(canary, old)}."
    elif rollout.trigger == Trigger.ANSWERS_REPORTED:
        said = (
            f"{canary.reported} of {canary.answers} answers of {new} were reported as wrong, "
            f"against {stable.reported} of {stable.answers} of {old}."
        )
    elif rollout.trigger == Trigger.ERROR_RATE_HIGH:
        said = (
            f"{canary.failed} of {canary.answers} answers of {new} were not in order, "
            f"against {stable.failed} of {stable.answers} of {old}."
        )
    else:
        why = words.TRIGGER.get(rollout.trigger, rollout.trigger or "no reason is recorded")
        said = f"{new} was rolled back: {why}."
    end = " The rollback is under way." if rollout.state == RolloutState.ROLLING_BACK else ""
    return f"{said} {_stays(rollout, old, rollout.deployment.public_name)}{end}"


def _replaced(canary: ArmCounts, old: str) -> str:
    if canary.replaced >= canary.malformed:
        return f"all were replaced by {old}'s before anyone saw them"
    if canary.replaced:
        return f"{canary.replaced} were replaced by {old}'s before anyone saw them"
    return "none could be replaced before it was seen"
