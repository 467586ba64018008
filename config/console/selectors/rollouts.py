"""What the page of a rollout shows, and what happened in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.console import words
from config.core.errors import NotFound
from serving.models import AnalysisRun, Answer, Feedback, Rollout, RolloutStep
from serving.selectors.deployments import may_promote_undecided
from serving.selectors.previews import preview
from serving.states import (
    OPEN_ROLLOUT_STATES,
    Arm,
    FailureKind,
    PauseKind,
    RolloutState,
    Trigger,
)
from serving.strategies import CHOSEN_BY_PEOPLE

POINTS_SHOWN = 120
ANALYSES_READ = 3000
TABLE_ROWS = 8
SIGNALS = words.Texts(
    {
        "failures": gettext_noop("Answers that were not in order"),
        "reports": gettext_noop("Answers that were reported as wrong"),
    }
)
PAUSED_WORDS = words.Texts(
    {
        "": gettext_noop(" It is paused and waits for a person."),
        PauseKind.PERSON: gettext_noop(" A person has paused it."),
        PauseKind.STEP: gettext_noop(" It is paused and waits for a person, as was planned."),
        PauseKind.INCONCLUSIVE: gettext_noop(" The answers do not decide it: a person has to."),
        PauseKind.TROUBLE: gettext_noop(
            " It is paused because something that it needs is missing."
        ),
    }
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
            return _("The evidence that it is worse has reached its limit.")
        if self.last.verdict == "successful":
            return _("The evidence that it is good enough has reached its limit.")
        return _(
            "That it is worse: %(value)s %% of the way to the limit. That it is good enough: "
            "%(value_2)s %%."
        ) % {"value": f"{self.worse_share * 100:.0f}", "value_2": f"{self.safe_share * 100:.0f}"}

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
        expected=expected_words(rollout),
    )


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


def expected_words(rollout: Rollout) -> str:
    """What the decision will cost, before the first request goes to the candidate."""
    is_early = rollout.state == RolloutState.RUNNING and rollout.stage == 0
    if not is_early or rollout.strategy not in CHOSEN_BY_PEOPLE:
        return ""
    return preview(rollout.deployment, rollout.to_revision.version, strategy=rollout.strategy).words


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
        return _("There are too few failures or reports yet to say how many requests it takes.")
    most = max(number for number in numbers if number is not None)
    if not most:
        return ""
    verb = "is" if most == 1 else "are"
    return _("About %(most)s %(verb)s needed to tell.") % {
        "most": words.counted(most, "more request", "more requests"),
        "verb": verb,
    }


def sentence(rollout: Rollout, canary: ArmCounts, stable: ArmCounts) -> str:
    """The state in plain words; after the end, what happened."""
    new, old = name_of(rollout, "to"), name_of(rollout, "from")
    public = rollout.deployment.public_name
    if rollout.state in {RolloutState.ROLLED_BACK, RolloutState.ROLLING_BACK}:
        return _rollback_story(rollout, canary, stable)
    if rollout.state == RolloutState.PROMOTED and rollout.strategy == "rollback":
        return _(
            "%(new)s was brought back: it answers every request to %(public)s instead of %(old)s."
        ) % {"new": new, "public": public, "old": old}
    if rollout.state == RolloutState.PROMOTED:
        first = "" if rollout.from_revision is None else _(" instead of %(old)s") % {"old": old}
        said = _("%(new)s was promoted: it answers every request to %(public)s%(first)s.") % {
            "new": new,
            "public": public,
            "first": first,
        }
        if canary.answers:
            said += _(
                " Before that it gave %(answers)s on trial, of which %(failed)s %(value)s not in "
                "order."
            ) % {
                "answers": words.counted(canary.answers, "answer"),
                "failed": canary.failed,
                "value": "was" if canary.failed == 1 else "were",
            }
        if act_state(rollout) == "superseded":
            said += _(" Since then another version has taken its place.")
        return said
    if rollout.state in {RolloutState.ABORTED, RolloutState.ABORTING}:
        return _("A person aborted the rollout of %(new)s. %(rollout)s") % {
            "new": new,
            "rollout": _stays(rollout, old, public),
        }
    paused = PAUSED_WORDS.get(rollout.paused_kind, PAUSED_WORDS[""]) if is_paused(rollout) else ""
    if rollout.weight_percent == 0:
        return _(
            "%(new)s is being prepared; no request to %(public)s goes to it yet.%(paused)s"
        ) % {"new": new, "public": public, "paused": paused}
    if rollout.from_revision is None:
        return _("%(new)s is the first version of %(public)s.%(paused)s") % {
            "new": new,
            "public": public,
            "paused": paused,
        }
    if rollout.weight_percent == 100:
        return _(
            "%(new)s answers every request to %(public)s and is being watched; %(old)s is kept "
            "ready beside it.%(paused)s"
        ) % {"new": new, "public": public, "old": old, "paused": paused}
    return _(
        "%(new)s is being tried on %(weight_percent)s %% of the requests to %(public)s; %(old)s "
        "answers the others.%(paused)s"
    ) % {
        "new": new,
        "weight_percent": rollout.weight_percent,
        "public": public,
        "old": old,
        "paused": paused,
    }


def is_paused(rollout: Rollout) -> bool:
    """Whether it waits for a person."""
    return rollout.state == RolloutState.PAUSED


def _stays(rollout: Rollout, old: str, public: str) -> str:
    if rollout.from_revision is None:
        return _("Nothing answers for %(public)s.") % {"public": public}
    return _("%(old)s answers every request to %(public)s.") % {"old": old, "public": public}


def _rollback_story(rollout: Rollout, canary: ArmCounts, stable: ArmCounts) -> str:
    new, old = canary.name, stable.name
    if rollout.trigger == Trigger.CONTRACT_BROKEN and canary.malformed:
        said = _("%(new)s broke the agreed form in %(malformed)s of %(answers)s answers") % {
            "new": new,
            "malformed": canary.malformed,
            "answers": canary.answers,
        }
        said += f"; {_replaced(canary, old)}."
    elif rollout.trigger == Trigger.ANSWERS_REPORTED:
        said = _(
            "%(reported)s of %(answers)s answers of %(new)s were reported as wrong, against "
            "%(reported_2)s of %(answers_2)s of %(old)s."
        ) % {
            "reported": canary.reported,
            "answers": canary.answers,
            "new": new,
            "reported_2": stable.reported,
            "answers_2": stable.answers,
            "old": old,
        }
    elif rollout.trigger == Trigger.ERROR_RATE_HIGH:
        said = _(
            "%(failed)s of %(answers)s answers of %(new)s were not in order, against %(failed_2)s "
            "of %(answers_2)s of %(old)s."
        ) % {
            "failed": canary.failed,
            "answers": canary.answers,
            "new": new,
            "failed_2": stable.failed,
            "answers_2": stable.answers,
            "old": old,
        }
    else:
        why = words.TRIGGER.get(rollout.trigger, rollout.trigger or _("no reason is recorded"))
        said = _("%(new)s was rolled back: %(why)s.") % {"new": new, "why": why}
    end = _(" The rollback is under way.") if rollout.state == RolloutState.ROLLING_BACK else ""
    return f"{said} {_stays(rollout, old, rollout.deployment.public_name)}{end}"


def _replaced(canary: ArmCounts, old: str) -> str:
    if canary.replaced >= canary.malformed:
        return _("all were replaced by %(old)s's before anyone saw them") % {"old": old}
    if canary.replaced:
        return _("%(replaced)s were replaced by %(old)s's before anyone saw them") % {
            "replaced": canary.replaced,
            "old": old,
        }
    return _("none could be replaced before it was seen")
