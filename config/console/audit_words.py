"""Acts of the audit trail in words, and the pages of the things that they name."""

from collections.abc import Mapping

from django.urls import reverse

ACTS: Mapping[str, str] = {
    "access.refused": "was refused",
    "adapter.changed": "changed the description of an adapter",
    "adapter.created": "opened an adapter",
    "alias.moved": "moved an alias",
    "approval.reject_refused": "was not allowed to reject a request",
    "approval.rejected": "rejected a request for approval",
    "approval.request_refused": "was not allowed to request approval",
    "approval.requested": "requested approval",
    "approval.voided": "voided an approval",
    "audit.exported": "exported the audit trail",
    "base_model.registered": "registered a base model",
    "check_run.finished": "finished checks",
    "check_run.opened": "asked for checks",
    "check_run.taken_over": "gave checks to another worker",
    "deployment.created": "opened a deployment",
    "evaluation.failed": "gave an evaluation up",
    "evaluation.recorded": "recorded an evaluation",
    "evaluation.refused": "was not allowed to evaluate",
    "evaluation.requested": "requested an evaluation",
    "evaluation.taken_over": "gave an evaluation to another worker",
    "evaluation.texts_read": "read the texts of an evaluation",
    "evaluation_set.locked": "locked an evaluation set",
    "label.changed": "changed a label",
    "node.booted": "saw a node start anew",
    "node.disabled": "switched a node off",
    "node.enabled": "switched a node on",
    "node.misfit": "found another node than was registered",
    "node.queue_purged": "dropped what waited for a node that is gone",
    "node.registered": "registered a node",
    "permission.changed": "changed a permission",
    "person.created": "entered a person",
    "role.ended": "ended a role",
    "role.granted": "granted a role",
    "rollback.finished": "brought an earlier version back",
    "rollback.refused": "was not allowed to roll back",
    "rollback.started": "is bringing an earlier version back",
    "rollout.abort_refused": "was not allowed to abort a rollout",
    "rollout.aborted": "aborted a rollout",
    "rollout.aborting": "is aborting a rollout",
    "rollout.pause_refused": "was not allowed to pause a rollout",
    "rollout.paused": "paused a rollout",
    "rollout.promoted": "promoted a version",
    "rollout.promoting": "promoted by hand what was undecided",
    "rollout.promotion_refused": "was not allowed to promote by hand",
    "rollout.refused": "was not allowed to roll out",
    "rollout.resume_refused": "was not allowed to let a rollout go on",
    "rollout.resumed": "let a rollout go on",
    "rollout.rolled_back": "rolled back",
    "rollout.rolling_back": "is rolling back",
    "rollout.started": "started a rollout",
    "rollout.step": "took a step of a rollout",
    "rollout.weight_set": "set the share of requests",
    "second_factor.enrolled": "set up a second factor",
    "second_factor.removed": "removed a second factor",
    "session.begun": "signed in",
    "session.ended": "signed out",
    "session.refused": "failed to sign in",
    "signature.attempt_failed": "failed to prove who signs",
    "signature.created": "signed a record",
    "signature.refused": "was not allowed to sign",
    "restore.noticed": "held serving: the database is older than what lies outside it",
    "restore.resume_asked": "asked that serving go on after a restore",
    "restore.resume_refused": "was not allowed to let serving go on after a restore",
    "restore.resumed": "let serving go on after a restore",
    "stop.brought_back": "stopped what the database lacked and the list outside it names",
    "stop.issued": "stopped a version everywhere",
    "stop.refused": "was not allowed to stop",
    "stop.release_asked": "asked that a stop be released",
    "stop.release_refused": "was not allowed to release a stop",
    "stop.released": "released a stop",
    "stop.repeated": "stopped again what was stopped",
    "token.issued": "issued a token",
    "token.revoked": "revoked a token",
    "user.created": "opened an account",
    "version.approved": "gave the last approval",
    "version.refused": "uploaded a package that was refused",
    "version.submitted": "uploaded a version",
}
PAGES: Mapping[str, str] = {
    "adapter": "admin:adapter",
    "approval_request": "admin:sign",
    "deployment": "admin:deployment",
    "evaluation_run": "admin:evaluation",
    "rollout": "admin:rollout",
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
