"""States in the words that people read, each with an icon; colour only comes third."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_noop as _


@dataclass(frozen=True)
class Word:
    """``icon``: a Material Symbols name; ``tone``: good, warn, bad, info or quiet."""

    text: str
    icon: str
    tone: str = "quiet"


class Texts(Mapping[str, str]):
    """Texts by key, each in the language of the moment in which it is read."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, key: str) -> str:
        text = self._texts[key]
        return gettext(text) if text else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class Words(Mapping[str, Word]):
    """Words by state, each in the language of the moment in which it is read."""

    def __init__(self, words: Mapping[str, Word]) -> None:
        self._words = words

    def __getitem__(self, key: str) -> Word:
        found = self._words[key]
        return replace(found, text=gettext(found.text))

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


CHECK: Mapping[str, Word] = Words(
    {
        "pass": Word(_("passed"), "check_circle", "good"),
        "fail": Word(_("failed"), "cancel", "bad"),
        "warn": Word(_("warning"), "warning", "warn"),
        "not_applicable": Word(_("does not apply"), "do_not_disturb_on"),
        "insufficient_evidence": Word(_("too little evidence"), "hourglass_empty", "bad"),
        "attestation_required": Word(_("a person must attest"), "draw", "bad"),
        "error": Word(_("the check broke down"), "error", "bad"),
    }
)

RUN: Mapping[str, Word] = Words(
    {
        "waiting": Word(_("waiting"), "schedule", "info"),
        "running": Word(_("running"), "progress_activity", "info"),
        "done": Word(_("done"), "check_circle", "good"),
        "failed": Word(_("failed"), "cancel", "bad"),
    }
)

APPROVAL: Mapping[str, Word] = Words(
    {
        "open": Word(_("waiting for signatures"), "draw", "info"),
        "approved": Word(_("approved"), "verified", "good"),
        "rejected": Word(_("rejected"), "cancel", "bad"),
        "void": Word(_("void"), "block", "quiet"),
    }
)

ROLLOUT: Mapping[str, Word] = Words(
    {
        "running": Word(_("under way"), "progress_activity", "info"),
        "paused": Word(_("paused"), "pause_circle", "warn"),
        "promoted": Word(_("promoted"), "check_circle", "good"),
        "rolling_back": Word(_("rolling back"), "undo", "bad"),
        "rolled_back": Word(_("rolled back"), "undo", "bad"),
        "aborting": Word(_("aborting"), "cancel", "warn"),
        "aborted": Word(_("aborted"), "cancel", "warn"),
    }
)

STEP: Mapping[str, Word] = Words(
    {
        "waiting": Word(_("to come"), "radio_button_unchecked"),
        "running": Word(_("now"), "progress_activity", "info"),
        "done": Word(_("done"), "check_circle", "good"),
        "failed": Word(_("failed"), "cancel", "bad"),
        "undone": Word(_("undone"), "undo", "warn"),
        "skipped": Word(_("skipped"), "skip_next"),
    }
)

STEP_KIND: Mapping[str, str] = Texts(
    {
        "load": _("Load on the nodes"),
        "evaluate": _("Compare with the live version"),
        "set_weight": _("Set the share of requests"),
        "analyse": _("Watch the answers"),
        "pause": _("Wait for a person"),
        "shadow": _("Copy requests, show no answer"),
        "promote": _("Promote to everyone"),
        "unload": _("Unload the old version"),
    }
)

REPLICA: Mapping[str, Word] = Words(
    {
        "wanted": Word(_("wanted"), "schedule", "info"),
        "loading": Word(_("loading"), "progress_activity", "info"),
        "ready": Word(_("ready"), "check_circle", "good"),
        "unloading": Word(_("unloading"), "hourglass_bottom", "info"),
        "unloaded": Word(_("unloaded"), "radio_button_unchecked"),
        "failed": Word(_("failed"), "cancel", "bad"),
    }
)

ANALYSIS: Mapping[str, Word] = Words(
    {
        "successful": Word(_("good enough"), "check_circle", "good"),
        "failed": Word(_("worse"), "cancel", "bad"),
        "inconclusive": Word(_("can't tell"), "help", "warn"),
        "running": Word(_("not yet known"), "hourglass_empty", "info"),
    }
)

DELIVERY: Mapping[str, Word] = Words(
    {
        "pending": Word(_("waiting"), "schedule", "info"),
        "running": Word(_("on its way"), "progress_activity", "info"),
        "retrying": Word(_("will be tried again"), "replay", "warn"),
        "succeeded": Word(_("delivered"), "check_circle", "good"),
        "failed": Word(_("failed"), "cancel", "bad"),
    }
)

TRAINING: Mapping[str, Word] = Words(
    {
        "queued": Word(_("waiting"), "schedule", "info"),
        "running": Word(_("training"), "progress_activity", "info"),
        "cancelling": Word(_("cancelling"), "cancel", "warn"),
        "cancelled": Word(_("cancelled"), "cancel", "warn"),
        "failed": Word(_("failed"), "error", "bad"),
        "completed": Word(_("trained"), "check_circle", "good"),
    }
)

AVATAR: Mapping[str, Word] = Words(
    {
        "untrained": Word(_("not trained yet"), "radio_button_unchecked"),
        "training": Word(_("being trained"), "progress_activity", "info"),
        "trained": Word(_("trained"), "check_circle", "good"),
        "training_failed": Word(_("its training failed"), "error", "bad"),
    }
)

SCAN: Mapping[str, Word] = Words(
    {
        "unscanned": Word(_("not scanned yet"), "schedule", "info"),
        "passed": Word(_("scanned"), "check_circle", "good"),
        "refused": Word(_("refused by the scan"), "cancel", "bad"),
    }
)

BACKUP_REASON: Mapping[str, str] = Texts(
    {
        "created": _("made with the adapter"),
        "asked": _("you asked for it"),
        "trained": _("made after a training"),
    }
)

HEALTH: Mapping[str, Word] = Words(
    {
        "healthy": Word(_("in order"), "check_circle", "good"),
        "degraded": Word(_("not quite in order"), "warning", "warn"),
        "unhealthy": Word(_("out of order"), "error", "bad"),
        "off": Word(_("not in use"), "do_not_disturb_on"),
    }
)

KINDS: Mapping[str, Mapping[str, Word]] = {
    "check": CHECK,
    "run": RUN,
    "approval": APPROVAL,
    "rollout": ROLLOUT,
    "step": STEP,
    "replica": REPLICA,
    "analysis": ANALYSIS,
    "health": HEALTH,
    "training": TRAINING,
    "delivery": DELIVERY,
    "avatar": AVATAR,
    "scan": SCAN,
}

MEANING: Mapping[str, str] = Texts(
    {
        "reviewed_technical": _("Reviewed – technical"),
        "reviewed_clinical": _("Reviewed – clinical safety"),
        "reviewed_privacy": _("Reviewed – privacy"),
        "approved": _("Approved for deployment"),
        "rejected": _("Rejected"),
    }
)

ROLE: Mapping[str, str] = Texts(
    {
        "ml_engineer": _("ML engineer"),
        "reviewer": _("Technical reviewer"),
        "clinical_reviewer": _("Clinical reviewer"),
        "privacy_officer": _("Privacy officer"),
        "compliance_officer": _("Compliance officer"),
        "operator": _("Operator"),
        "administrator": _("Administrator"),
        "application": _("Application"),
        "node_agent": _("Node agent"),
    }
)

TRIGGER: Mapping[str, str] = Texts(
    {
        "manual": _("a person asked for it"),
        "health_failed": _("a node failed its health check"),
        "performance_degraded": _("answers became slower"),
        "error_rate_high": _("too many answers failed"),
        "contract_broken": _("answers broke the agreed form"),
        "answers_reported": _("too many answers were reported as wrong"),
        "validation_failed": _("the comparison with the live version failed"),
        "system_error": _("the system failed"),
        "emergency": _("an emergency was declared"),
        "stopped": _("the version was stopped everywhere"),
    }
)

FAILURE: Mapping[str, str] = Texts(
    {
        "": _("in order"),
        "contract_broken": _("broke the agreed form"),
        "empty": _("were empty"),
        "error": _("ended in an error"),
        "timeout": _("took too long"),
        "stopped": _("were cut by a stop"),
    }
)

REPORT_CATEGORY: Mapping[str, str] = Texts(
    {
        "wrong": _("It is wrong"),
        "harmful": _("It could harm someone"),
        "invented": _("It says what is not in the text"),
        "form": _("It has the wrong form"),
        "slow": _("It took too long"),
        "other": _("Something else"),
    }
)

FACT: Mapping[str, str] = Texts(
    {
        "size": _("size"),
        "rank": _("rank"),
        "max_rank": _("highest rank"),
        "alpha": _("alpha"),
        "tensors": _("tensors"),
        "parameters": _("parameters"),
        "dtypes": _("number formats"),
        "target_modules": _("changed modules"),
        "base_name": _("declared base"),
        "use_rslora": _("rank-stabilised scale"),
        "task_type": _("task"),
        "problems": _("unreadable"),
        "purpose": _("purpose"),
        "population": _("population"),
        "setting": _("setting"),
        "language": _("language"),
        "limits": _("limits"),
        "touches_phi": _("patient data"),
    }
)


def word(kind: str, state: str) -> Word:
    """The word for a state; an unknown state is shown as it is."""
    return KINDS[kind].get(str(state), Word(str(state).replace("_", " "), "help"))


def roles(names: object) -> str:
    """Role names as people read them, joined by "or"."""
    listed = [ROLE.get(str(name), str(name)) for name in names]  # type: ignore[attr-defined]
    return gettext(" or ").join(listed)


def listed(parts: list[str], joint: str = "") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joint or gettext('and')} {parts[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """``1 version``, ``1,204 versions``."""
    return f"{number:,} {ngettext(one, many or one + 's', number)}"


# What is counted somewhere, so that translators see each with its plural.
NOUNS = (
    ngettext_lazy("account", "accounts"),
    ngettext_lazy("alert is", "alerts are"),
    ngettext_lazy("answer", "answers"),
    ngettext_lazy("check blocks it", "checks block it"),
    ngettext_lazy("day", "days"),
    ngettext_lazy("deployment", "deployments"),
    ngettext_lazy("file", "files"),
    ngettext_lazy("hour", "hours"),
    ngettext_lazy("load", "loads"),
    ngettext_lazy("migration is", "migrations are"),
    ngettext_lazy("matter", "matters"),
    ngettext_lazy("minute", "minutes"),
    ngettext_lazy("more request", "more requests"),
    ngettext_lazy("node", "nodes"),
    ngettext_lazy("request", "requests"),
    ngettext_lazy("rollout is", "rollouts are"),
    ngettext_lazy("signature is", "signatures are"),
    ngettext_lazy("thing is", "things are"),
    ngettext_lazy("thing waits", "things wait"),
    ngettext_lazy("token", "tokens"),
    ngettext_lazy("version", "versions"),
)
