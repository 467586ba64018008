"""The curves of a rollout's evidence, and how much more it takes to tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.console import words
from serving.models import AnalysisRun, Rollout, RolloutStep
from serving.selectors.previews import preview
from serving.states import (
    RolloutState,
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


def evidence_of(rollout: Rollout) -> tuple[list[Evidence], AnalysisRun | None]:
    """A curve for each signal, and the paired comparison where there was one."""
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
