"""Runs checks over a snapshot; knows nothing about any of them."""

from collections.abc import Iterable, Sequence, Set

from compliance.domain.check import Check
from compliance.domain.policy import PolicyPack
from compliance.domain.results import CheckResult, Verdict, verdict
from compliance.domain.snapshot import Snapshot, snapshot_sha256

__all__ = ["Verdict", "run", "run_checks", "verdict"]


def run(
    snapshot: Snapshot, policy: PolicyPack, tags: Set[str] | None = None
) -> tuple[CheckResult, ...]:
    """The results of all listed checks that carry one of ``tags`` (all checks without tags)."""
    from compliance.checks import CHECKS

    chosen = [check for check in CHECKS if tags is None or check.tags & tags]
    return run_checks(chosen, snapshot, policy)


def run_checks(
    checks: Iterable[Check], snapshot: Snapshot, policy: PolicyPack
) -> tuple[CheckResult, ...]:
    """The results of exactly these checks, in their order."""
    sha256 = snapshot_sha256(snapshot)
    listed: Sequence[Check] = list(checks)
    return tuple(check.run(snapshot, policy, snapshot_sha256=sha256) for check in listed)
