"""States, verdicts and the hash that replays."""

from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.domain.check import PACKAGE, Check, Judgement, shortened
from compliance.domain.policy import CURRENT, PolicyPack
from compliance.domain.results import (
    CheckResult,
    Finding,
    Severity,
    State,
    Verdict,
    decimal,
    verdict,
)
from compliance.domain.snapshot import FOLDER, Snapshot, assemble, snapshot_sha256


class Says(Check):
    id: ClassVar[str] = "TEST-01"
    title: ClassVar[str] = "Says what it is told"
    authority: ClassVar[str] = "none"
    tags: ClassVar[frozenset[str]] = frozenset({PACKAGE})

    def __init__(self, *findings: Finding, severity: Severity = Severity.BLOCKING) -> None:
        self.severity = severity  # type: ignore[misc]
        self.findings = findings

    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        return Judgement(self.findings, {"n": 1})


class Breaks(Says):
    def judge(self, snapshot: Snapshot, policy: PolicyPack) -> Judgement:
        raise KeyError("a patient's name")


def finding(state: State, severity: Severity) -> Finding:
    return Finding("TEST-01", state, severity, "message", "fix", "object")


def run(check: Check) -> CheckResult:
    empty = assemble(package=None, base=None, scope=FOLDER)
    return check.run(empty, CURRENT, snapshot_sha256=snapshot_sha256(empty))


@pytest.mark.parametrize(
    ("state", "blocks"),
    [
        (State.PASS, False),
        (State.NOT_APPLICABLE, False),
        (State.WARN, False),
        (State.FAIL, True),
        (State.INSUFFICIENT_EVIDENCE, True),
        (State.ATTESTATION_REQUIRED, True),
        (State.ERROR, True),
    ],
)
def test_for_a_blocking_check_everything_but_a_pass_stops(state: State, blocks: bool) -> None:
    severity = Severity.WARNING if state is State.WARN else Severity.BLOCKING
    result = run(Says(finding(state, severity)))
    assert result.state is state
    assert result.is_blocking is blocks
    assert verdict([result]) is (Verdict.BLOCKED if blocks else Verdict.PASS)


def test_a_warning_check_that_fails_blocks_nothing() -> None:
    check = Says(finding(State.FAIL, Severity.WARNING), severity=Severity.WARNING)
    assert verdict([run(check)]) is Verdict.PASS


def test_a_crashed_check_is_an_error_that_blocks_and_says_nothing_of_the_data() -> None:
    result = run(Breaks())
    assert result.state is State.ERROR
    assert result.is_blocking
    assert "KeyError" in result.findings[0].message
    assert "patient's name" not in str(result.outcome())
    warning = run(Breaks(severity=Severity.WARNING))
    assert warning.state is State.ERROR
    assert not warning.is_blocking


def test_a_check_without_a_finding_is_an_error() -> None:
    assert run(Says()).state is State.ERROR


def test_the_worst_finding_decides() -> None:
    result = run(
        Says(
            finding(State.PASS, Severity.INFO),
            finding(State.WARN, Severity.WARNING),
            finding(State.FAIL, Severity.BLOCKING),
        )
    )
    assert (result.state, result.severity) == (State.FAIL, Severity.BLOCKING)


def test_the_hash_covers_the_outcome_and_not_the_moment() -> None:
    check = Says(finding(State.PASS, Severity.INFO))
    early = assemble(package=None, base=None, now="2026-01-01T00:00:00Z")
    late = assemble(package=None, base=None, now="2026-02-01T00:00:00Z")
    first = check.run(early, CURRENT, snapshot_sha256=snapshot_sha256(early))
    again = check.run(late, CURRENT, snapshot_sha256=snapshot_sha256(late))
    assert first.snapshot_sha256 != again.snapshot_sha256
    assert first.result_sha256 == again.result_sha256
    other = run(Says(finding(State.WARN, Severity.WARNING)))
    assert other.result_sha256 != first.result_sha256


def test_a_float_in_a_result_or_a_snapshot_is_refused() -> None:
    result = CheckResult("X", "1", State.PASS, Severity.INFO, {"n": 0.1}, {}, ())
    with pytest.raises(TypeError, match="float"):
        _ = result.result_sha256
    with pytest.raises(TypeError, match="float"):
        snapshot_sha256(cast(Any, {"x": 0.1}))


@given(st.floats(-1e6, 1e6))
def test_decimals_are_rounded_texts_without_a_negative_zero(value: float) -> None:
    text = decimal(value)
    assert abs(float(text) - value) <= 0.5001e-4
    assert not (float(text) == 0 and text.startswith("-"))


def test_long_lists_are_shortened_and_say_by_how_much() -> None:
    many = [finding(State.FAIL, Severity.BLOCKING)] * 30
    short = shortened(many)
    assert len(short) == 20
    assert "11 more" in short[-1].message or "10 more" in short[-1].message
    assert shortened(many[:3]) == many[:3]


def test_an_unknown_class_is_judged_as_the_strictest() -> None:
    assert CURRENT.of_class("?") == CURRENT.of_class("C")
    assert SimpleNamespace(**vars(CURRENT.of_class("A"))).margin == 0.05
