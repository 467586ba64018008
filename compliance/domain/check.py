"""The small base class of all checks: a pure function over a snapshot, with a stable id."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from compliance.domain.policy import PolicyPack
from compliance.domain.results import (
    CheckResult,
    Finding,
    Mode,
    Severity,
    State,
    worst_finding,
)
from compliance.domain.snapshot import Snapshot

PACKAGE = "package"
EVIDENCE = "evidence"
NOTHING_TO_MEND = "Nothing to do."
FINDINGS_SHOWN = 20


@dataclass(frozen=True)
class Judgement:
    """What a check says about a snapshot; the worst finding gives state and severity."""

    findings: tuple[Finding, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC):
    """A rule with a stable id. ``judge`` reads nothing but its arguments.

    ``version`` changes whenever the same snapshot could be judged otherwise.
    """

    id: ClassVar[str]
    version: ClassVar[str] = "1"
    title: ClassVar[str]
    authority: ClassVar[str]
    severity: ClassVar[Severity] = Severity.BLOCKING
    mode: ClassVar[Mode] = Mode.VERIFIED
    is_waivable: ClassVar[bool] = True
    tags: ClassVar[frozenset[str]]

    @abstractmethod
    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        """The findings on ``snapshot`` under ``policy``; at least one."""

    def run(self, snapshot: Snapshot, policy: PolicyPack, *, snapshot_sha256: str) -> CheckResult:
        """The result of ``judge``, or state ``error`` when the check itself breaks down."""
        try:
            judgement = self.judge(snapshot, policy)
        # A crashed check must neither stop the other checks nor count as a pass.
        except Exception as error:  # noqa: BLE001
            judgement = Judgement((self._crashed(error),))
        worst = worst_finding(judgement.findings) or self._crashed(ValueError("no finding"))
        return CheckResult(
            check_id=self.id,
            check_version=self.version,
            state=worst.state,
            severity=Severity.WARNING if worst.state is State.WARN else self.severity,
            values=judgement.values,
            thresholds=judgement.thresholds,
            findings=judgement.findings or (worst,),
            policy_version=policy.version,
            snapshot_sha256=snapshot_sha256,
            title=self.title,
            mode=self.mode,
            is_waivable=self.is_waivable,
        )

    def _crashed(self, error: Exception) -> Finding:
        return Finding(
            id=self.id,
            state=State.ERROR,
            severity=self.severity,
            # The error's own text may hold anything; its type is enough to find the place.
            message=f"The check broke down with {type(error).__name__} and judged nothing.",
            fix="Report this to the people who run the registry; a version can't pass unjudged.",
            object=self.id,
        )

    def passed(self, message: str, *, object: str) -> Finding:
        """A finding that says what was found in order."""
        return self._finding(State.PASS, Severity.INFO, message, NOTHING_TO_MEND, object)

    def failed(self, message: str, *, fix: str, object: str) -> Finding:
        """A finding that closes the gate, if the check's severity does."""
        return self._finding(State.FAIL, self.severity, message, fix, object)

    def warned(self, message: str, *, fix: str, object: str) -> Finding:
        """A finding that people should see and that closes nothing."""
        return self._finding(State.WARN, Severity.WARNING, message, fix, object)

    def lacking(self, message: str, *, fix: str, object: str) -> Finding:
        """A finding that there is not enough evidence to judge."""
        return self._finding(State.INSUFFICIENT_EVIDENCE, self.severity, message, fix, object)

    def not_applicable(self, reason: str, *, object: str, fix: str = "") -> Finding:
        """A finding that the check has nothing to judge here, and why."""
        return self._finding(
            State.NOT_APPLICABLE, Severity.INFO, reason, fix or NOTHING_TO_MEND, object
        )

    def _finding(
        self,
        state: State,
        severity: Severity,
        message: str,
        fix: str,
        where: str,
    ) -> Finding:
        return Finding(self.id, state, severity, message, fix, where)


def shortened(findings: Iterable[Finding], *, shown: int = FINDINGS_SHOWN) -> list[Finding]:
    """The first findings; the last one says how many more there are."""
    listed = list(findings)
    if len(listed) <= shown:
        return listed
    last = listed[shown - 1]
    rest = len(listed) - shown
    worded = Finding(
        last.id,
        last.state,
        last.severity,
        f"{last.message} {rest} more of this kind.",
        last.fix,
        last.object,
    )
    return [*listed[: shown - 1], worded]
