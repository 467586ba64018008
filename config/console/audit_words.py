"""Acts of the audit trail in words, and the pages of the things that they name."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.translation import gettext_noop as _

from config.console.words import Texts

ACTS: Mapping[str, str] = Texts(
    {
        "access.refused": _("was refused"),
        "adapter.changed": _("changed the description of an adapter"),
        "adapter.created": _("opened an adapter"),
        "alias.moved": _("moved an alias"),
        "approval.reject_refused": _("was not allowed to reject a request"),
        "approval.rejected": _("rejected a request for approval"),
        "approval.request_refused": _("was not allowed to request approval"),
        "approval.requested": _("requested approval"),
        "approval.voided": _("voided an approval"),
        "audit.exported": _("exported the audit trail"),
        "avatar.adapter_made": _("made the adapter of an avatar"),
        "avatar.backed_up": _("backed an avatar up"),
        "avatar.deleted": _("deleted an avatar"),
        "avatar.downloaded": _("downloaded an avatar"),
        "avatar.opened": _("began an avatar"),
        "avatar.restored": _("restored an avatar"),
        "base_model.registered": _("registered a base model"),
        "check_run.finished": _("finished checks"),
        "check_run.opened": _("asked for checks"),
        "check_run.taken_over": _("gave checks to another worker"),
        "delivery.completed": _("delivered a prompt"),
        "delivery.enqueued": _("asked for a delivery"),
        "delivery.failed": _("gave a delivery up"),
        "delivery.retrying": _("will try a delivery again"),
        "delivery.started": _("tried a delivery"),
        "deployment.created": _("opened a deployment"),
        "engine_profile.saved": _("saved an engine profile"),
        "evaluation.failed": _("gave an evaluation up"),
        "evaluation.recorded": _("recorded an evaluation"),
        "evaluation.refused": _("was not allowed to evaluate"),
        "evaluation.requested": _("requested an evaluation"),
        "evaluation.taken_over": _("gave an evaluation to another worker"),
        "evaluation.texts_read": _("read the texts of an evaluation"),
        "evaluation_set.locked": _("locked an evaluation set"),
        "label.changed": _("changed a label"),
        "node.booted": _("saw a node start anew"),
        "node.disabled": _("switched a node off"),
        "node.enabled": _("switched a node on"),
        "node.misfit": _("found another node than was registered"),
        "node.queue_purged": _("dropped what waited for a node that is gone"),
        "node.registered": _("registered a node"),
        "permission.changed": _("changed a permission"),
        "person.created": _("entered a person"),
        "registration.ended": _("ended the registration of an adapter"),
        "registration.opened": _("registered an adapter again"),
        "registration.refused": _("was not allowed to register an adapter"),
        "role.ended": _("ended a role"),
        "role.granted": _("granted a role"),
        "rollback.finished": _("brought an earlier version back"),
        "rollback.refused": _("was not allowed to roll back"),
        "rollback.started": _("is bringing an earlier version back"),
        "rollout.abort_refused": _("was not allowed to abort a rollout"),
        "rollout.aborted": _("aborted a rollout"),
        "rollout.aborting": _("is aborting a rollout"),
        "rollout.pause_refused": _("was not allowed to pause a rollout"),
        "rollout.paused": _("paused a rollout"),
        "rollout.promoted": _("promoted a version"),
        "rollout.promoting": _("promoted by hand what was undecided"),
        "rollout.promotion_refused": _("was not allowed to promote by hand"),
        "rollout.refused": _("was not allowed to roll out"),
        "rollout.resume_refused": _("was not allowed to let a rollout go on"),
        "rollout.resumed": _("let a rollout go on"),
        "rollout.rolled_back": _("rolled back"),
        "rollout.rolling_back": _("is rolling back"),
        "rollout.started": _("started a rollout"),
        "rollout.step": _("took a step of a rollout"),
        "rollout.weight_set": _("set the share of requests"),
        "second_factor.enrolled": _("set up a second factor"),
        "second_factor.removed": _("removed a second factor"),
        "session.begun": _("signed in"),
        "session.ended": _("signed out"),
        "session.refused": _("failed to sign in"),
        "signature.attempt_failed": _("failed to prove who signs"),
        "signature.created": _("signed a record"),
        "signature.refused": _("was not allowed to sign"),
        "restore.noticed": _("held serving: the database is older than what lies outside it"),
        "restore.resume_asked": _("asked that serving go on after a restore"),
        "restore.resume_refused": _("was not allowed to let serving go on after a restore"),
        "restore.resumed": _("let serving go on after a restore"),
        "stop.brought_back": _("stopped what the database lacked and the list outside it names"),
        "stop.issued": _("stopped a version everywhere"),
        "stop.refused": _("was not allowed to stop"),
        "stop.release_asked": _("asked that a stop be released"),
        "stop.release_refused": _("was not allowed to release a stop"),
        "stop.released": _("released a stop"),
        "stop.repeated": _("stopped again what was stopped"),
        "token.issued": _("issued a token"),
        "token.revoked": _("revoked a token"),
        "training.begun": _("began to train an adapter"),
        "training.cancelling": _("is cancelling a training"),
        "training.finished": _("ended a training"),
        "training.queued": _("asked for a training"),
        "training_file.deleted": _("deleted a training file"),
        "training_file.flagged": _("chose whether a file is trained with"),
        "training_file.read": _("read a training file"),
        "training_file.scanned": _("scanned a training file"),
        "training_file.stored": _("uploaded a training file"),
        "user.created": _("opened an account"),
        "webhook.created": _("opened a webhook"),
        "webhook.ended": _("ended a webhook"),
        "version.approved": _("gave the last approval"),
        "version.downloaded": _("pulled a version from the Hub endpoint"),
        "version.refused": _("uploaded a package that was refused"),
        "version.submitted": _("uploaded a version"),
    }
)
PAGES: Mapping[str, str] = {
    "adapter": "admin:adapter",
    "approval_request": "admin:sign",
    "deployment": "admin:deployment",
    "evaluation_run": "admin:evaluation",
    "rollout": "admin:rollout",
    "training_run": "admin:training-run",
    "version": "admin:version",
}


def act(action: str) -> str:
    """What was done; an act without words of its own is shown by its name."""
    return ACTS.get(action, action.replace("_", " ").replace(".", ": "))


def page_of(object_type: str, object_id: str) -> str:
    """The path of the page of a thing, empty where it has none."""
    name = PAGES.get(object_type)
    if name is None or len(object_id) != 36:
        return ""
    return reverse(name, args=[object_id])
