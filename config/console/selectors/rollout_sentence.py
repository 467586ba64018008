"""A rollout in plain words: what is going on, or what happened."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from config.console import words
from config.console.selectors.rollout_sides import ArmCounts, act_state, is_paused, name_of
from serving.models import Rollout
from serving.states import (
    ROLLBACK,
    PauseKind,
    RolloutState,
    Trigger,
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


def sentence(rollout: Rollout, canary: ArmCounts, stable: ArmCounts) -> str:
    """The state in plain words; after the end, what happened."""
    new, old = name_of(rollout, "to"), name_of(rollout, "from")
    public = rollout.deployment.public_name
    if rollout.state in {RolloutState.ROLLED_BACK, RolloutState.ROLLING_BACK}:
        return _rollback_story(rollout, canary, stable)
    if rollout.state == RolloutState.PROMOTED and rollout.strategy == ROLLBACK:
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
