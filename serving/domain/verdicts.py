"""What the counts of a canary mean: go on, wait, roll back, or ask a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.domain.policy import DeploymentPolicy
from serving.states import Trigger, Verdict


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Answers of one side at one stage, each routed unit once.

    ``failures``: broken contract, empty, error, timeout; ``malformed``: the first two of them.
    ``shown``: answers that a client got; ``reported``: those of them that were reported as bad.
    """

    answers: int = 0
    failures: int = 0
    malformed: int = 0
    shown: int = 0
    reported: int = 0


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Both sides while one weight was set."""

    stage: int
    weight_percent: int
    canary: ArmCounts = field(default_factory=ArmCounts)
    stable: ArmCounts = field(default_factory=ArmCounts)

    @property
    def is_watch(self) -> bool:
        """Whether everything goes to the candidate: there is no control arm."""
        return self.weight_percent >= 100

    @property
    def requests(self) -> int:
        """Answers of both sides."""
        return self.canary.answers + self.stable.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one signal says. Evidence in powers of ten; either one decides at ``log10_limit``.

    ``needed_requests``: about how many more it takes until it is safe, None when that can't be
    said.
    """

    signal: str
    verdict: Verdict
    trigger: Trigger
    canary_count: int
    canary_bad_count: int
    stable_count: int
    stable_bad_count: int
    log10_worse: float
    log10_safe: float
    log10_limit: float
    needed_requests: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Canary answers and bad ones, stable answers and bad ones."""
        return (
            self.canary_count,
            self.canary_bad_count,
            self.stable_count,
            self.stable_bad_count,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an analysis step does next; ``words`` say why."""

    verdict: Verdict
    words: str
    trigger: Trigger | None = None


def conclude(
    readings: Sequence[Reading],
    stages: Sequence[StageCounts],
    *,
    policy: DeploymentPolicy,
    days: float,
    stage_minutes: float = 0.0,
) -> Outcome:
    """Roll back when one signal crosses its limit, go on when all are safe, else wait.

    A stage also waits for ``least_canary_answers`` of its own, a watch for its ``watch_minutes``
    (``stage_minutes`` have passed). Without a decision after the policy's requests or days a
    person is asked.
    """
    for reading in readings:
        if reading.verdict is Verdict.FAILED:
            return Outcome(Verdict.FAILED, _failed_words(reading), reading.trigger)
    at_stage = stages[-1].canary.answers if stages else 0
    requests = sum(stage.requests for stage in stages)
    is_safe = all(reading.verdict is Verdict.SUCCESSFUL for reading in readings)
    if readings and is_safe and at_stage >= policy.least_canary_answers:
        if stages[-1].is_watch and stage_minutes < policy.watch_minutes:
            return Outcome(
                Verdict.RUNNING,
                f"In order up to now; watched for {stage_minutes:.0f} of "
                f"{policy.watch_minutes:g} minutes.",
            )
        return Outcome(Verdict.SUCCESSFUL, f"Safe after {requests} requests.")
    if requests >= policy.max_requests or days >= policy.max_days:
        missing = [reading.signal for reading in readings if reading.verdict is Verdict.RUNNING]
        named = " and ".join(missing) or "the number of the candidate's answers"
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"Undecided on {named} after {requests} requests and {days:.1f} days; "
            "a person decides.",
        )
    if is_safe:
        left = policy.least_canary_answers - at_stage
        return Outcome(Verdict.RUNNING, f"{left} more answers of the candidate at this weight.")
    answers = sum(stage.canary.answers for stage in stages)
    if answers < policy.least_canary_answers:
        return Outcome(Verdict.RUNNING, f"Too early to tell: {answers} answers of the candidate.")
    undecided = [reading for reading in readings if reading.verdict is Verdict.RUNNING]
    needed = [reading.needed_requests for reading in undecided]
    if all(number is not None for number in needed):
        most = max(number for number in needed if number is not None)
        if most > policy.max_requests:
            # An estimate from hardly any failures: the number itself would say nothing.
            return Outcome(
                Verdict.RUNNING,
                f"At this rate it may stay undecided on {_missing(undecided)}; a person is asked "
                f"after {policy.max_requests} requests.",
            )
        return Outcome(Verdict.RUNNING, f"About {most} more requests are needed to tell.")
    return Outcome(Verdict.RUNNING, "Too few failures or reports yet to tell.")


def _missing(undecided: Sequence[Reading]) -> str:
    """The signals that say nothing yet, and whether that is because there was nothing to count."""
    named = " and ".join(reading.signal for reading in undecided)
    if any(reading.canary_bad_count or reading.stable_bad_count for reading in undecided):
        return named
    return f"{named}, of which neither side has one"


def _failed_words(reading: Reading) -> str:
    if reading.stable_count == 0:
        return (
            f"{reading.canary_bad_count} of {reading.canary_count} answers of the candidate "
            f"counted against it ({reading.signal})."
        )
    return (
        f"{reading.canary_bad_count} of {reading.canary_count} answers of the candidate and "
        f"{reading.stable_bad_count} of {reading.stable_count} of stable counted against it "
        f"({reading.signal})."
    )
