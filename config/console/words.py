"""States in the words that people read, each with an icon; colour only comes third."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """``icon``: a Material Symbols name; ``tone``: good, warn, bad, info or quiet."""

    text: str
    icon: str
    tone: str = "quiet"


CHECK: Mapping[str, Word] = {
    "pass": Word("passed", "check_circle", "good"),
    "fail": Word("failed", "cancel", "bad"),
    "warn": Word("warning", "warning", "warn"),
    "not_applicable": Word("does not apply", "do_not_disturb_on"),
    "insufficient_evidence": Word("too little evidence", "hourglass_empty", "bad"),
    "attestation_required": Word("a person must attest", "draw", "bad"),
    "error": Word("the check broke down", "error", "bad"),
}

RUN: Mapping[str, Word] = {
    "waiting": Word("waiting", "schedule", "info"),
    "running": Word("running", "progress_activity", "info"),
    "done": Word("done", "check_circle", "good"),
    "failed": Word("failed", "cancel", "bad"),
}

APPROVAL: Mapping[str, Word] = {
    "open": Word("waiting for signatures", "draw", "info"),
    "approved": Word("approved", "verified", "good"),
    "rejected": Word("rejected", "cancel", "bad"),
    "void": Word("void", "block", "quiet"),
}

ROLLOUT: Mapping[str, Word] = {
    "running": Word("under way", "progress_activity", "info"),
    "paused": Word("paused", "pause_circle", "warn"),
    "promoted": Word("promoted", "check_circle", "good"),
    "rolling_back": Word("rolling back", "undo", "bad"),
    "rolled_back": Word("rolled back", "undo", "bad"),
    "aborting": Word("aborting", "cancel", "warn"),
    "aborted": Word("aborted", "cancel", "warn"),
}

STEP: Mapping[str, Word] = {
    "waiting": Word("to come", "radio_button_unchecked"),
    "running": Word("now", "progress_activity", "info"),
    "done": Word("done", "check_circle", "good"),
    "failed": Word("failed", "cancel", "bad"),
    "undone": Word("undone", "undo", "warn"),
    "skipped": Word("skipped", "skip_next"),
}

STEP_KIND: Mapping[str, str] = {
    "load": "Load on the nodes",
    "evaluate": "Compare with the live version",
    "set_weight": "Set the share of requests",
    "analyse": "Watch the answers",
    "pause": "Wait for a person",
    "shadow": "Copy requests, show no answer",
    "promote": "Promote to everyone",
    "unload": "Unload the old version",
}

REPLICA: Mapping[str, Word] = {
    "wanted": Word("wanted", "schedule", "info"),
    "loading": Word("loading", "progress_activity", "info"),
    "ready": Word("ready", "check_circle", "good"),
    "unloading": Word("unloading", "hourglass_bottom", "info"),
    "unloaded": Word("unloaded", "radio_button_unchecked"),
    "failed": Word("failed", "cancel", "bad"),
}

ANALYSIS: Mapping[str, Word] = {
    "successful": Word("good enough", "check_circle", "good"),
    "failed": Word("worse", "cancel", "bad"),
    "inconclusive": Word("can't tell", "help", "warn"),
    "running": Word("not yet known", "hourglass_empty", "info"),
}

KINDS: Mapping[str, Mapping[str, Word]] = {
    "check": CHECK,
    "run": RUN,
    "approval": APPROVAL,
    "rollout": ROLLOUT,
    "step": STEP,
    "replica": REPLICA,
    "analysis": ANALYSIS,
}

MEANING: Mapping[str, str] = {
    "reviewed_technical": "Reviewed – technical",
    "reviewed_clinical": "Reviewed – clinical safety",
    "reviewed_privacy": "Reviewed – privacy",
    "approved": "Approved for deployment",
    "rejected": "Rejected",
}

ROLE: Mapping[str, str] = {
    "ml_engineer": "ML engineer",
    "reviewer": "Technical reviewer",
    "clinical_reviewer": "Clinical reviewer",
    "privacy_officer": "Privacy officer",
    "compliance_officer": "Compliance officer",
    "operator": "Operator",
    "administrator": "Administrator",
    "application": "Application",
    "node_agent": "Node agent",
}

TRIGGER: Mapping[str, str] = {
    "manual": "a person asked for it",
    "health_failed": "a node failed its health check",
    "performance_degraded": "answers became slower",
    "error_rate_high": "too many answers failed",
    "contract_broken": "answers broke the agreed form",
    "answers_reported": "too many answers were reported as wrong",
    "validation_failed": "the comparison with the live version failed",
    "system_error": "the system failed",
    "emergency": "an emergency was declared",
    "stopped": "the version was stopped everywhere",
}

FAILURE: Mapping[str, str] = {
    "": "in order",
    "contract_broken": "broke the agreed form",
    "empty": "were empty",
    "error": "ended in an error",
    "timeout": "took too long",
    "stopped": "were cut by a stop",
}

REPORT_CATEGORY: Mapping[str, str] = {
    "wrong": "It is wrong",
    "harmful": "It could harm someone",
    "invented": "It says what is not in the text",
    "form": "It has the wrong form",
    "slow": "It took too long",
    "other": "Something else",
}


def word(kind: str, state: str) -> Word:
    """The word for a state; an unknown state is shown as it is."""
    return KINDS[kind].get(str(state), Word(str(state).replace("_", " "), "help"))


def roles(names: object) -> str:
    """Role names as people read them, joined by "or"."""
    listed = [ROLE.get(str(name), str(name)) for name in names]  # type: ignore[attr-defined]
    return " or ".join(listed)


def listed(parts: list[str], joint: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """``1 version``, ``1,204 versions``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
