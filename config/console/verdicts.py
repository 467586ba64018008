"""One sentence about a version: what state it is in, and what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from config.console import words

UNDER_WAY = frozenset({"waiting", "running"})


@dataclass(frozen=True)
class Verdict:
    """``tone``: good, warn, bad or info; ``icon``: a symbol's name; ``more``: what comes next."""

    text: str
    icon: str
    tone: str
    more: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a verdict is made of; empty members say that there is nothing of the kind.

    ``runs``: (kind, state) of the newest check runs; ``blocked_by``: names of checks that block;
    ``lacks_evaluation``: blockers only say that nothing was evaluated yet;
    ``is_package_blocked``: a blocker is about the package, so that no evaluation can change it;
    ``evaluating``: names of the sets on which a run is under way;
    ``request_state``, ``signed`` of ``needed``, ``next_meaning``: the newest approval request;
    ``live_in``: deployments whose stable version this is; ``canary_in``: (deployment, percent).
    """

    stopped_at: datetime | None = None
    stop_reason: str = ""
    runs: Sequence[tuple[str, str]] = ()
    blocked_by: Sequence[str] = ()
    lacks_evaluation: bool = False
    is_package_blocked: bool = False
    evaluating: Sequence[str] = ()
    request_state: str = ""
    closed_reason: str = ""
    signed: int = 0
    needed: int = 0
    next_meaning: str = ""
    is_permitted: bool = False
    live_in: Sequence[str] = ()
    canary_in: Sequence[tuple[str, int]] = ()


def verdict(facts: Facts) -> Verdict:
    """The sentence; what is worse is said first."""
    if facts.stopped_at:
        return Verdict(
            _("Stopped everywhere."),
            "block",
            "bad",
            _("Nobody gets an answer from it. The reason given: %(reason)s")
            % {"reason": facts.stop_reason},
        )
    checks = _checks(facts)
    if checks and not facts.is_permitted:
        return checks
    return _approval(facts)


def _checks(facts: Facts) -> Verdict | None:
    states = dict(facts.runs)
    if states.get("package") == "failed":
        return Verdict(
            _("The checks could not be run."), "error", "bad", _("The reason is shown below.")
        )
    if states.get("package") != "done":
        return Verdict(
            _("The package is being checked."), "progress_activity", "info", _("It takes a minute.")
        )
    if facts.lacks_evaluation:
        if facts.evaluating:
            return _evaluating(facts)
        return Verdict(
            _("The package is in order; what is missing is an evaluation."),
            "hourglass_empty",
            "warn",
            _("Request one below. It runs on a node and takes a few minutes."),
        )
    if facts.blocked_by:
        number = words.counted(len(facts.blocked_by), "check blocks it", "checks block it")
        said = _("Up to now %(number)s; the results to come may change that.") % {"number": number}
        if facts.evaluating and not facts.is_package_blocked:
            return _evaluating(facts, said)
        if states.get("evidence") in UNDER_WAY and not facts.is_package_blocked:
            return _checking(said)
        return Verdict(
            _("This version can't be signed: %(number)s.") % {"number": number},
            "cancel",
            "bad",
            _("%(checks)s. How to mend it is said below.")
            % {"checks": words.listed(list(facts.blocked_by))},
        )
    if states.get("evidence") in UNDER_WAY:
        return _checking()
    return None


def _evaluating(facts: Facts, more: str = "") -> Verdict:
    said = _("It is being evaluated on a node, on %(sets)s.") % {
        "sets": words.listed(list(facts.evaluating))
    }
    return Verdict(said, "progress_activity", "info", more)


def _checking(more: str = "") -> Verdict:
    return Verdict(_("The evidence is being checked."), "progress_activity", "info", more)


def _approval(facts: Facts) -> Verdict:
    if facts.live_in:
        return Verdict(
            _("This version is live: %(names)s answers with it.")
            % {"names": words.listed(list(facts.live_in))},
            "verified",
            "good",
        )
    if facts.canary_in:
        said = [
            _("%(percent)s %% of %(name)s") % {"percent": percent, "name": name}
            for name, percent in facts.canary_in
        ]
        return Verdict(
            _("This version is being tried on %(shares)s.") % {"shares": words.listed(said)},
            "move_up",
            "info",
        )
    if facts.is_permitted:
        return Verdict(
            _("Approved for deployment."), "verified", "good", _("It may be deployed as a canary.")
        )
    if facts.request_state == "open":
        missing = words.counted(facts.needed - facts.signed, "signature is", "signatures are")
        return Verdict(
            _("Ready to be signed: %(signatures)s missing.") % {"signatures": missing},
            "draw",
            "info",
            _("Next: %(meaning)s.")
            % {"meaning": words.MEANING.get(facts.next_meaning, facts.next_meaning)},
        )
    if facts.request_state == "rejected":
        return Verdict(_("Approval was refused."), "cancel", "bad", facts.closed_reason)
    if facts.request_state == "void":
        return Verdict(_("The approval is void."), "block", "warn", facts.closed_reason)
    return Verdict(
        _("Nothing speaks against this version."),
        "check_circle",
        "good",
        _("Approval can be requested; then people read the record and sign it."),
    )
