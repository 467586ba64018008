"""What a check returns: one of seven states, with findings, and a hash that replays equal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from config.core.digests import canonical_json, sha256_hex


class State(StrEnum):
    """What a check found out; missing evidence is not a pass and a crashed check is not a pass."""

    PASS = "pass"  # noqa: S105 - a state, no password
    FAIL = "fail"
    WARN = "warn"
    NOT_APPLICABLE = "not_applicable"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    ATTESTATION_REQUIRED = "attestation_required"
    ERROR = "error"


class Severity(StrEnum):
    """What a result means for the gate."""

    BLOCKING = "blocking"
    WARNING = "warning"
    INFO = "info"


class Mode(StrEnum):
    """Who stands behind a result: software, a person under oath, or both."""

    VERIFIED = "V"
    ATTESTED = "A"
    BOTH = "V+A"


class Verdict(StrEnum):
    """What all results together mean."""

    PASS = "pass"  # noqa: S105 - a state, no password
    BLOCKED = "blocked"


HARMLESS = frozenset({State.PASS, State.NOT_APPLICABLE})
_ORDER = (
    State.NOT_APPLICABLE,
    State.PASS,
    State.WARN,
    State.ATTESTATION_REQUIRED,
    State.INSUFFICIENT_EVIDENCE,
    State.FAIL,
    State.ERROR,
)
_WEIGHT = {Severity.INFO: 0, Severity.WARNING: 1, Severity.BLOCKING: 2}


@dataclass(frozen=True)
class Finding:
    """What a check saw: where (``object``), what (``message``) and how it is mended (``fix``).

    ``id`` is the check's id. Neither text may hold a prompt, an answer or training text.
    """

    id: str
    state: State
    severity: Severity
    message: str
    fix: str
    object: str

    def as_dict(self) -> dict[str, str]:
        """The six members that programs read."""
        return {
            "id": self.id,
            "state": str(self.state),
            "severity": str(self.severity),
            "message": self.message,
            "fix": self.fix,
            "object": self.object,
        }

    @property
    def is_blocking(self) -> bool:
        """Whether this finding alone closes the gate."""
        return self.severity is Severity.BLOCKING and self.state not in HARMLESS


@dataclass(frozen=True)
class CheckResult:
    """One check's result on one snapshot under one policy.

    ``values`` and ``thresholds`` are JSON without floats: decimals are rounded strings.
    ``severity`` is what the result means: a blocking check that only warns has severity warning.
    """

    check_id: str
    check_version: str
    state: State
    severity: Severity
    values: Mapping[str, Any]
    thresholds: Mapping[str, Any]
    findings: tuple[Finding, ...]
    policy_version: str = ""
    snapshot_sha256: str = ""
    title: str = ""
    mode: Mode = Mode.VERIFIED
    is_waivable: bool = field(default=True)

    @property
    def is_blocking(self) -> bool:
        """Whether this result closes the gate."""
        return self.severity is Severity.BLOCKING and self.state not in HARMLESS

    def outcome(self) -> dict[str, Any]:
        """What is hashed: everything that was found, and not when or in which snapshot.

        So a nightly re-check of unchanged facts gives the same hash.
        """
        return {
            "check_id": self.check_id,
            "check_version": self.check_version,
            "policy_version": self.policy_version,
            "state": str(self.state),
            "severity": str(self.severity),
            "values": self.values,
            "thresholds": self.thresholds,
            "findings": [finding.as_dict() for finding in self.findings],
        }

    @property
    def result_sha256(self) -> str:
        """SHA-256 of the outcome's canonical JSON."""
        return sha256_hex(canonical_json(self.outcome()))


def results_sha256(results: Iterable[tuple[str, str]]) -> str:
    """The digest of a run's results: (check id, hash of its result) of each, in any order."""
    return sha256_hex(canonical_json([list(row) for row in sorted(results)]))


def worst_finding(findings: Iterable[Finding]) -> Finding | None:
    """The finding that decides a result: the most severe first, then the worst state."""
    return max(
        findings,
        key=lambda f: (f.is_blocking, _ORDER.index(f.state), _WEIGHT[f.severity]),
        default=None,
    )


def verdict(results: Iterable[CheckResult]) -> Verdict:
    """Blocked as soon as one blocking result is neither a pass nor not applicable."""
    return Verdict.BLOCKED if any(result.is_blocking for result in results) else Verdict.PASS


def decimal(value: float, digits: int = 4) -> str:
    """A number as it is stored and hashed: rounded to ``digits`` places, as text."""
    text = f"{value:.{digits}f}"
    return text[1:] if float(text) == 0 and text.startswith("-") else text
